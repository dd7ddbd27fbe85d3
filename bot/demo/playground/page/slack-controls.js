// What messages, modals and Homes share: a click that waits for its answer, and a focus that outlives a redrawing.

/**
 * A function that sends a click, marks its control as busy meanwhile, and shows the trouble in a line.
 * @param {(details: object) => Promise<string>} click returns the trouble, or ""
 * @param {HTMLElement} line
 */
export function sending(click, line) {
  return async (details, control) => {
    if (control.getAttribute("aria-busy") === "true") return false;
    line.textContent = "";
    control.setAttribute("aria-busy", "true");
    const trouble = await click(details);
    control.removeAttribute("aria-busy");
    if (trouble) line.textContent = trouble;
    return !trouble;
  };
}

/** Redraw `body`. The focus stays on its control, or on the nearest there is, or on `element`. */
export function keepingFocus(body, element, change) {
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  const { focusKey, actionId } = focused?.dataset ?? {};
  const selection = focused?.matches("input[type=text], textarea") && [focused.selectionStart, focused.selectionEnd];
  change();
  if (!focused) return;
  const controls = [...body.querySelectorAll("[data-focus-key]")];
  const same = controls.find((one) => one.dataset.focusKey === focusKey);
  const heir = same
    ?? controls.find((one) => actionId && one.dataset.actionId === actionId) ?? controls[0] ?? element;
  heir.focus({ preventScroll: true });
  if (selection && same) same.setSelectionRange(...selection);
}
