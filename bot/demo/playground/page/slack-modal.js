// The window in front: a modal of the app over the Slack workspace. WeChat beside it stays in use.
// https://docs.slack.dev/surfaces/modals
import { drawBlocks } from "./blocks.js";
import { el, fill } from "./dom.js";
import { fieldsOfModal } from "./fields.js";
import { say } from "./language.js";
import { keepingFocus, sending } from "./slack-controls.js";
import { clickInModal, close, submit } from "./slack-deeds.js";
import { appAvatar } from "./slack-row.js";
import { plainString } from "./slack-text.js";

const TITLE = "slack-modal-title";

/** The place of the window. `behind` are the elements that it covers, `after` takes the focus if its opener is gone. */
export function modalOver(behind, after) {
  let view = null;
  let drawn = "";
  let opener = null;
  let isBusy = false;
  const fields = fieldsOfModal();
  const element = el("div", { className: "slack-veil", hidden: true });

  const title = el("h3", { id: TITLE, className: "slack-modal-title" });
  const icon = el("span", { className: "slack-modal-icon" });
  const cross = el("button", {
    type: "button", className: "slack-modal-cross", aria: { label: say("Close the window") },
    onclick: () => leave(true),
  }, el("span", { aria: { hidden: "true" } }, "✕"));
  const failure = el("p", { className: "slack-modal-failure", attrs: { role: "alert" } });
  const content = el("div", { aria: { live: "polite" } });
  const body = el("div", { className: "slack-modal-body slack-view" }, failure, content);
  const back = el("button", { type: "button", className: "slack-button slack-modal-close", onclick: () => leave(false) });
  const send = el("button", { type: "submit", className: "slack-button primary slack-modal-submit" });
  const form = el("form", {
    className: "slack-modal-form", noValidate: true,
    onsubmit: (event) => {
      event.preventDefault();
      hand();
    },
  }, body, el("div", { className: "slack-modal-foot" }, back, send));
  const dialog = el("div", {
    className: "slack-modal", tabIndex: -1, attrs: { role: "dialog" }, aria: { labelledby: TITLE },
    onkeydown: (event) => {
      if (event.key !== "Escape" || event.isComposing || event.target.closest("[popover]")) return;
      event.preventDefault();
      leave(false);
    },
  }, el("div", { className: "slack-modal-head" }, icon, title, cross), form);
  element.append(dialog);
  new ResizeObserver(() => {
    // What scrolls needs the focus to be scrolled with keys.
    if (body.scrollHeight > body.clientHeight) body.tabIndex = 0;
    else body.removeAttribute("tabindex");
  }).observe(content);

  const clicked = sending((details) => clickInModal({ view: view.id, entries: fields.entries(), ...details }), failure);

  async function leave(whole) {
    failure.textContent = await close({ view: view.id, whole });
  }

  async function hand() {
    if (isBusy || send.hidden) return;
    failure.textContent = "";
    beBusy(true);
    const trouble = await submit({ view: view.id, entries: fields.entries() });
    beBusy(false);
    if (trouble) failure.textContent = trouble;
  }

  function beBusy(busy) {
    isBusy = busy;
    if (busy) send.setAttribute("aria-busy", "true");
    else send.removeAttribute("aria-busy");
    for (const field of content.querySelectorAll("input, textarea")) field.readOnly = busy;
  }

  function draw() {
    fields.show(view);
    fill(icon, appAvatar());
    title.textContent = plainString(view.title, say("its title"));
    failure.textContent = view.failure && say("We had some trouble connecting. Try again?");
    back.textContent = view.close ? plainString(view.close, say("its label")) : say("Close");
    send.hidden = !view.submit;
    send.textContent = view.submit ? plainString(view.submit, say("its label")) : "";
    dialog.classList.toggle("stacked", view.depth > 1);
    fill(content, drawBlocks(view.blocks, clicked, { values: view.values, fields }));
    beBusy(isBusy);
  }

  function open() {
    const focused = document.activeElement;
    const held = focused === document.body || behind.some((one) => one.contains(focused));
    opener = focused;
    element.hidden = false;
    for (const one of behind) one.inert = true;
    draw();
    if (held) (content.querySelector("input, textarea, select") ?? dialog).focus();
  }

  /** Whether the focus is on something that can be seen: a browser takes it from what is hidden only later. */
  function isFocusInside() {
    const focused = document.activeElement;
    return dialog.contains(focused) && focused.checkVisibility();
  }

  function shut() {
    const held = element.contains(document.activeElement) || document.activeElement === document.body;
    element.hidden = true;
    beBusy(false);
    fields.forget();
    for (const one of behind) one.inert = false;
    if (held) heirOf(opener).focus({ preventScroll: true });
    opener = null;
  }

  /** The opener, or the control that took its place when it was drawn again. */
  function heirOf(element) {
    if (behind.some((one) => one.contains(element))) return element;
    const key = element?.dataset?.focusKey;
    const all = behind.flatMap((one) => [...one.querySelectorAll("[data-focus-key]")]);
    return all.find((one) => key && one.dataset.focusKey === key && one.checkVisibility()) ?? after;
  }

  return {
    element,
    /** Show the view in front; null: there is none. */
    show(next) {
      const wanted = JSON.stringify(next);
      if (wanted === drawn) return;
      drawn = wanted;
      const before = view;
      view = next;
      if (!view) {
        if (before) shut();
        return;
      }
      if (!before) {
        open();
        return;
      }
      const here = element.contains(document.activeElement) || document.activeElement === document.body;
      keepingFocus(dialog, dialog, draw);
      const wrong = content.querySelector("[aria-invalid]");
      if (before.id !== view.id) body.scrollTop = 0;
      if (here && wrong) wrong.focus();
      else if (here && !isFocusInside()) dialog.focus();
    },
  };
}
