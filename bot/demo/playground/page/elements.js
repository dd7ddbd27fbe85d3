// Block Kit's elements: buttons, menus, overflow, images. `send` gets what a click does.
// https://docs.slack.dev/reference/block-kit/block-elements
import { el } from "./dom.js";
import { say } from "./language.js";
import { overflow } from "./slack-overflow.js";
import { agreed } from "./slack-confirm.js";
import { safeAddress } from "./mrkdwn.js";
import { Malformed, plainString } from "./slack-text.js";

/** A box for a `block` or an `element` that cannot be drawn: never nothing. */
export function errorBox(what, kind, why) {
  const type = typeof kind === "string" && kind ? `“${kind}”` : say("without a type");
  const text = what === "block"
    ? say("This block cannot be shown: {type}, {why}.", { type, why })
    : say("This element cannot be shown: {type}, {why}.", { type, why });
  return el("div", { className: "slack-error", attrs: { role: "note" } }, text);
}

/**
 * Draw an interactive element. `context` is `{ place, send }`: where it stands, and what a click calls.
 * `also` names further types that are allowed here.
 */
export function drawElement(element, context, also = []) {
  const kind = element?.type;
  try {
    if (kind === "image" && also.includes("image")) return image(element, "slack-accessory-image");
    if (!Object.hasOwn(DRAWN, kind)) return errorBox("element", kind, say("it is not known here"));
    const made = DRAWN[kind](element, context);
    const control = made.matches("button, a, select") ? made : made.querySelector("button, select");
    control.dataset.focusKey = [context.place, element.action_id ?? "", element.value ?? ""].join("/");
    control.dataset.actionId = element.action_id ?? "";
    return made;
  } catch (error) {
    return errorBox("element", kind, error instanceof Malformed ? error.message : say("it is malformed"));
  }
}

export const PLACEHOLDER = { type: "plain_text", text: say("Choose an option") };

const DRAWN = { button, static_select: select, overflow };

/** Remote pictures are not loaded here: their words and address stand in for them. */
export function image(element, className) {
  if (typeof element.alt_text !== "string") throw new Malformed(say("an image has no alt_text"));
  const text = el("span", {}, element.alt_text);
  if (!element.image_url) return el("span", { className: `slack-image ${className}` }, text);
  const url = safeAddress(element.image_url);
  if (!url) throw new Malformed(say("the address of an image is neither http nor https"));
  return el("a", { className: `slack-image ${className}`, href: url, target: "_blank", rel: "noreferrer" }, text);
}

function button(element, { send }) {
  const label = plainString(element.text, say("its text"));
  if (![undefined, "primary", "danger"].includes(element.style)) {
    throw new Malformed(say("its style “{style}” is unknown", { style: element.style }));
  }
  const shared = {
    className: `slack-button ${element.style ?? ""}`,
    aria: element.accessibility_label ? { label: element.accessibility_label } : {},
  };
  const details = { action_id: element.action_id ?? "", value: element.value ?? null, option: null };
  if (!element.url) {
    const made = el("button", {
      ...shared,
      type: "button",
      onclick: async () => (await agreed(element.confirm)) && send(details, made),
    }, label);
    return made;
  }
  const url = safeAddress(element.url);
  if (!url) throw new Malformed(say("its address is neither http nor https"));
  const made = el("a", {
    ...shared,
    href: url,
    target: "_blank",
    rel: "noreferrer",
    onclick: async (event) => {
      if (element.confirm) event.preventDefault();
      if (!(await agreed(element.confirm))) return;
      if (element.confirm) window.open(url, "_blank", "noreferrer");
      send(details, made);
    },
  }, label, el("span", { className: "sr-only" }, ` ${say("(opens a new tab)")}`));
  if (element.accessibility_label) made.ariaLabel = `${element.accessibility_label} ${say("(opens a new tab)")}`;
  return made;
}

function select(element, { send, values }) {
  const placeholder = plainString(element.placeholder ?? PLACEHOLDER, say("its placeholder"));
  // In a view it shows what was chosen last, in a message what the app set.
  const initial = (values[element.action_id]?.selected_option ?? element.initial_option)?.value ?? "";
  const made = el("select", {
    className: "slack-select",
    aria: { label: placeholder },
    onkeydown: (event) => openFirst(event, made),
    onchange: async () => {
      const option = made.value;
      show();
      if (!option || !(await agreed(element.confirm))) {
        made.value = initial;
      } else {
        if (!initial) made.value = "";
        show();
        const done = await send({ action_id: element.action_id ?? "", value: null, option }, made);
        if (!done) made.value = initial;
      }
      show();
    },
  });
  const show = () => made.classList.toggle("placeholder", made.value === "");
  if (!initial) made.append(el("option", { value: "", disabled: true, hidden: true }, placeholder));
  made.append(...choices(element));
  made.value = initial;
  if (made.value !== initial) throw new Malformed(say("its initial_option is not one of the options"));
  show();
  return el("span", { className: "slack-select-box" }, made);
}

/** The options of a menu, in its groups. */
export function choices(element) {
  if (Array.isArray(element.options) && element.options.length) return element.options.map(choice);
  if (!Array.isArray(element.option_groups) || !element.option_groups.length) {
    throw new Malformed(say("it has no options"));
  }
  return element.option_groups.map((group) =>
    el("optgroup", { label: plainString(group.label, say("the label of a group")) }, group.options.map(choice)));
}

function choice({ text, value, description }) {
  if (typeof value !== "string" || !value) throw new Malformed(say("an option has no value"));
  const more = description ? ` – ${plainString(description, say("a description"))}` : "";
  return el("option", { value }, plainString(text, say("the text of an option")) + more);
}

/** A key on a closed menu would choose, and so click, at once; here it opens the menu first. */
function openFirst(event, menu) {
  const moves = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"];
  const types = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey;
  if (!moves.includes(event.key) && !types) return;
  event.preventDefault();
  menu.showPicker?.();
}
