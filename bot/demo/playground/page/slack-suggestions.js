// The list above the composer: what can be typed after a slash. The focus stays in the field.
import { el, fill } from "./dom.js";
import { say } from "./language.js";

const ID = "slack-suggestions";
const HAN = /\p{Script=Han}/u;

/**
 * Suggestions for a text field.
 * @param {HTMLInputElement} field
 * @param {(text: string) => void} chosen
 */
export function suggestions(field, chosen) {
  let offered = []; // { text, chinese, argument, hint }
  let shown = []; // { text, hint }
  let active = -1;
  const list = el("ul", { id: ID, className: "slack-suggestions", attrs: { role: "listbox" }, hidden: true,
    aria: { label: say("Commands") } });
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", ID);
  field.setAttribute("aria-expanded", "false");

  function open(found) {
    shown = found;
    fill(list, shown.map(({ text, hint }, index) =>
      el("li", {
        id: `${ID}-${index}`,
        attrs: { role: "option" },
        aria: { selected: "false" },
        onpointerdown: (event) => event.preventDefault(), // the focus stays in the field
        onclick: () => pick(index),
      }, el("span", { className: "slack-suggested" }, text), " ", el("span", { className: "slack-hint" }, hint))));
    list.hidden = shown.length === 0;
    field.setAttribute("aria-expanded", String(!list.hidden));
    activate(-1);
  }

  function activate(index) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = index;
    const item = list.children[active];
    if (!item) {
      field.removeAttribute("aria-activedescendant");
      return;
    }
    item.setAttribute("aria-selected", "true");
    item.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", item.id);
  }

  function pick(index) {
    const { text } = shown[index];
    open([]);
    chosen(text);
  }

  return {
    element: list,
    offer(all) {
      offered = all;
    },
    /** Show what goes on from the typed text: in Chinese to a person who reads it or types it, else in English. */
    match(text, inChinese) {
      const typed = text.toLowerCase();
      const begun = (words) => offered.map((one) => ({ text: one[words], hint: hintOf(one) }))
        .filter((one) => typed.startsWith("/") && one.text.toLowerCase().startsWith(typed));
      const chinese = inChinese || HAN.test(typed) ? begun("chinese") : [];
      const found = chinese.length ? chinese : begun("text");
      const whole = found.length === 1 && found[0].text.toLowerCase() === typed;
      open(whole ? [] : found);
    },
    close: () => open([]),
    /** Take a key, if it is for the list. */
    key({ key, shiftKey }) {
      if (list.hidden) return false;
      const last = shown.length - 1;
      if (key === "ArrowDown") activate(active >= last ? 0 : active + 1);
      else if (key === "ArrowUp") activate(active <= 0 ? last : active - 1);
      else if (key === "Escape") open([]);
      else if ((key === "Enter" || (key === "Tab" && !shiftKey)) && active >= 0) pick(active);
      else return false;
      return true;
    },
  };
}

function hintOf({ argument, hint }) {
  return [argument, hint].filter(Boolean).map((words) => say(words)).join(" ");
}
