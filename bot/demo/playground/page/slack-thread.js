// The thread under a message: "2 replies", which unfold below it.
import { el } from "./dom.js";
import { count as counted } from "./language.js";
import { rowsIn } from "./slack-rows.js";
import { messageRow } from "./slack-row.js";
import { keyOf } from "./slack-store.js";

let made = 0; // for ids

/** An empty thread: out of sight until its first reply. Replies are drawn when they are first looked at. */
export function thread() {
  made += 1;
  const id = `slack-thread-${made}`;
  const replies = new Map();
  const list = el("div", { id, className: "slack-replies", hidden: true });
  const rows = rowsIn(list, (message) => messageRow(message));
  const button = el("button", {
    type: "button",
    className: "slack-plain-button slack-thread-button",
    aria: { expanded: "false", controls: id },
    onclick: () => unfold(list.hidden),
  });
  const element = el("div", { className: "slack-thread", hidden: true }, button, list);

  function unfold(open) {
    list.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) for (const reply of replies.values()) rows.put(reply);
  }

  function count() {
    element.hidden = replies.size === 0;
    button.textContent = counted("{number} reply", "{number} replies", replies.size);
  }

  return {
    element,
    unfold,
    put(reply) {
      replies.set(keyOf(reply), reply);
      if (!list.hidden) rows.put(reply);
      count();
    },
    remove(reply) {
      replies.delete(keyOf(reply));
      rows.remove(reply);
      count();
    },
  };
}
