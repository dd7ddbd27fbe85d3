// Elements without HTML: what WeChat or a person wrote is text, whatever it looks like.

/**
 * Make an element. `props` are properties (`className`, `onclick`, `disabled`), except `data` (data-*),
 * `aria` (aria-*) and `attrs` (any other attribute). Children are nodes or texts; null and false are left out.
 */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  const { data = {}, aria = {}, attrs = {}, ...rest } = props;
  Object.assign(made, rest);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  for (const [name, value] of Object.entries(attrs)) made.setAttribute(name, value);
  made.append(...present(children));
  return made;
}

/** Replace all children of an element. */
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
}

function present(children) {
  return children.flat().filter((child) => child !== null && child !== undefined && child !== false);
}
