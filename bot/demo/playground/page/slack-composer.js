// The field to type in: commands and messages, with a history and suggestions.
import { el } from "./dom.js";
import { now } from "./clock.js";
import { isChinese, say } from "./language.js";
import { command, write as post } from "./slack-deeds.js";
import { history } from "./slack-history.js";
import { localeOfViewer } from "./slack-names.js";
import { note } from "./slack-store.js";
import { suggestions } from "./slack-suggestions.js";

/** Draw the composer. `tell(message)` shows a message of the page's own; `sent(channel)` comes at each sending. */
export function composer({ tell, sent }) {
  let channel = { id: "", name: "" };
  const past = history();
  const field = el("input", {
    type: "text",
    className: "slack-field-input",
    autocomplete: "off",
    spellcheck: false,
    maxLength: 4000,
    enterKeyHint: "send",
    attrs: { autocapitalize: "off" },
    oninput: () => list.match(field.value, isChinese(localeOfViewer())),
    onblur: () => list.close(),
    onkeydown: (event) => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (list.key(event) || key(event.key)) event.preventDefault();
    },
  });
  const list = suggestions(field, (text) => {
    write(text);
    field.focus();
  });
  const hint = el("p", { className: "slack-usage" });
  const element = el(
    "form",
    {
      className: "slack-composer",
      noValidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        send();
      },
    },
    list.element,
    el("div", { className: "slack-field-box" },
      field, el("button", { type: "submit", className: "slack-send", aria: { label: say("Send") } },
        el("span", { aria: { hidden: "true" } }, "➤"))),
    hint,
  );

  function key(name) {
    if (name === "Escape" || (name !== "ArrowUp" && name !== "ArrowDown")) return false;
    const text = name === "ArrowUp" ? past.older(field.value) : past.newer();
    if (text !== null) write(text);
    return true;
  }

  function write(text) {
    field.value = text;
    field.setSelectionRange(text.length, text.length);
  }

  async function send() {
    const text = field.value.trim();
    if (!text) return;
    const { id } = channel;
    past.add(text);
    list.close();
    field.value = "";
    sent(id);
    const failure = await (text.startsWith("/") ? command(id, text) : post(id, text));
    if (!failure) return;
    tell(note(id, failure.replace(/[&<>]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[one]), now()));
    if (!field.value) write(text); // as in Slack, what failed stays in the field
  }

  return {
    element,
    input: field,
    /** Learn which commands there are. */
    learn(state) {
      list.offer(state.suggestions);
      hint.textContent = `${state.command} ${state.usage_hint}`;
    },
    /** Write to another channel from now on. */
    turnTo(next) {
      channel = next;
      field.setAttribute("aria-label", say("Message #{name}", { name: next.name }));
      field.placeholder = say("Message #{name}, or /kf", { name: next.name });
    },
  };
}
