// One channel: its messages in a log that follows the newest one, as long as its reader does.
import { el, fill } from "./dom.js";
import { say } from "./language.js";
import { isReply, isSeen, rootOf } from "./slack-store.js";
import { messageRow } from "./slack-row.js";
import { rowsIn } from "./slack-rows.js";
import { thread } from "./slack-thread.js";

const NEAR = 48; // pixels from the end that still count as the end

/** Draw a channel, as the panel of its tab. */
export function channelView({ id, name }, { panelId, tabId }) {
  const list = el("div", { className: "slack-rows" });
  const log = el("div", {
    className: "slack-log",
    tabIndex: 0,
    attrs: { role: "log" },
    aria: { label: say("Messages in #{name}", { name }) },
  }, el("p", { className: "slack-empty" }, say("This is the start of #{name}.", { name })), list);
  const newer = el("button", {
    type: "button",
    className: "slack-newer",
    hidden: true,
    onclick: () => {
      toEnd();
      log.focus({ preventScroll: true });
    },
  }, say("New messages ↓"));
  const element = el("div", {
    id: panelId,
    className: "slack-channel",
    attrs: { role: "tabpanel" },
    aria: { labelledby: tabId },
  }, el("p", { className: "slack-channel-name", aria: { hidden: "true" } }, `# ${name}`), log, newer);

  const rows = rowsIn(list, (message) => {
    if (isReply(message)) return broadcastRow(message);
    const replies = thread();
    return Object.assign(messageRow(message, { below: replies.element }), { thread: replies });
  });

  function broadcastRow(message) {
    const above = el("p", { className: "slack-above" });
    const row = messageRow(message, { above });
    row.element.classList.add("broadcast");
    const root = rootOf(message);
    const label = say("replied to a thread");
    fill(above, root ? el("button", {
      type: "button",
      className: "slack-plain-button",
      onclick: () => reveal(rootOf(message)),
    }, label) : label);
    return row;
  }

  function reveal(root) {
    const row = root && rows.get(root);
    if (!row) return;
    row.thread.unfold(true);
    row.element.scrollIntoView({ block: "nearest" });
    row.element.focus({ preventScroll: true });
  }

  /** Show a message wherever it belongs, or take it away from there. */
  function update(message, gone = false) {
    const shown = !gone && isSeen(message);
    const root = isReply(message) ? rootOf(message) : null;
    const thread = root && rows.get(root)?.thread;
    if (thread) thread[shown ? "put" : "remove"](message);
    const inChannel = shown && (!isReply(message) || message.broadcast || !root);
    if (!inChannel) {
      rows.remove(message);
      return;
    }
    const isNew = !rows.get(message);
    rows.put(message);
    if (isNew && !stuck) newer.hidden = false;
  }

  // The log stays at its end until its reader scrolls up. Rows out of sight are measured late, so the end moves.
  let stuck = true;
  let top = 0;
  const nearEnd = () => log.scrollHeight - log.clientHeight - log.scrollTop < NEAR;
  const toEnd = () => {
    stuck = true;
    newer.hidden = true;
    log.classList.add("stuck");
    log.scrollTop = log.scrollHeight;
  };
  log.addEventListener("scroll", () => {
    if (element.hidden) return;
    if (nearEnd()) stuck = true;
    else if (log.scrollTop < top - 2) stuck = false;
    top = log.scrollTop;
    log.classList.toggle("stuck", stuck);
    if (stuck) newer.hidden = true;
  }, { passive: true });
  // What a reader unfolds stays where it is, although the end moves away.
  log.addEventListener("click", ({ target }) => {
    if (!target.closest("[aria-expanded]:not([aria-haspopup])")) return;
    stuck = false;
    requestAnimationFrame(() => {
      stuck = nearEnd();
    });
  }, { capture: true });
  const observer = new ResizeObserver(() => stuck && !element.hidden && toEnd());
  observer.observe(list);
  observer.observe(log);

  return {
    id,
    element,
    update,
    toEnd,
    /** Show or hide the whole channel. */
    show(visible) {
      if (visible === !element.hidden) return;
      const keep = top;
      element.hidden = !visible;
      if (!visible) return;
      if (stuck) toEnd();
      else log.scrollTop = keep;
    },
    close: () => observer.disconnect(),
  };
}
