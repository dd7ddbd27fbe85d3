// Dialogs: native <dialog> elements, which keep the focus inside, close on Escape and give the focus back.
import { el } from "./dom.js";
import { say } from "./language.js";

let made = 0; // for ids

/**
 * Show a dialog and wait until it closes. `body` is a node, or several.
 * A button is `{ label, value, kind: "primary"|"danger"|"", safe: bool, work: async () => {} }`. Its `value` is
 * what comes back; Escape brings null. With `work`, the dialog stays open and tells the reason when the work fails.
 * Enter in a field presses the last button. The focus goes to the field with `autofocus`, else to the safe button.
 * @returns {Promise<any>}
 */
export function showDialog({ title, body = null, buttons }) {
  const opener = document.activeElement;
  made += 1;
  const titleId = `dialog-title-${made}`;
  const bodyId = `dialog-body-${made}`;
  const trouble = el("p", { className: "trouble", attrs: { role: "alert" } });
  return new Promise((resolve) => {
    let result = null;
    const press = async (button) => {
      trouble.textContent = "";
      if (button.work) {
        for (const other of row.children) other.disabled = true;
        try {
          await button.work();
        } catch (error) {
          trouble.textContent = error.message;
          return;
        } finally {
          for (const other of row.children) other.disabled = false;
        }
      }
      result = button.value ?? null;
      dialog.close();
    };
    const row = el(
      "div",
      { className: "dialog-buttons" },
      buttons.map((button) =>
        el("button", {
          type: "button",
          className: `button ${button.kind ?? ""}${button.kind === "danger" ? " filled" : ""}`,
          autofocus: Boolean(button.safe),
          onclick: () => press(button),
        }, button.label),
      ),
    );
    const form = el(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          press(buttons.at(-1));
        },
        noValidate: true,
      },
      el("h2", { id: titleId }, title),
      el("div", { className: "dialog-body", id: bodyId }, body),
      trouble,
      row,
      // Without a submit button, Enter in a form of two fields would do nothing.
      el("button", { type: "submit", hidden: true }),
    );
    const dialog = el(
      "dialog",
      {
        className: "dialog",
        aria: { labelledby: titleId, describedby: bodyId },
        onclose: () => {
          dialog.remove();
          if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
          resolve(result);
        },
      },
      form,
    );
    document.body.append(dialog);
    dialog.showModal();
    const first = form.querySelector(".dialog-body [autofocus]") ?? row.querySelector("[autofocus]");
    first?.focus();
    first?.select?.();
  });
}

/**
 * Ask whether to go on. Escape is "no". When it is dangerous, the focus starts on "no".
 * @returns {Promise<boolean>}
 */
export async function confirmed({ title, text = "", yes, no, danger = false }) {
  const answer = await showDialog({
    title,
    body: text ? el("p", {}, text) : null,
    buttons: [
      { label: no, value: false, safe: danger },
      { label: yes, value: true, kind: danger ? "danger" : "primary", safe: !danger },
    ],
  });
  return answer === true;
}
