// The head of the workspace: the channels as tabs with what is unread, who looks, and how soon the bot answered.
import { el, fill } from "./dom.js";
import { say } from "./language.js";
import { setViewer, theBot, theViewer } from "./slack-names.js";

export const HOME = "home"; // the tab of the app, beside those of the channels
export const ALERTS = "alerts"; // the tab that shows all channels of alerts side by side, if there are several

/** Draw the head. `open(id)` is called for another channel, `changed()` for another person. */
export function head({ open, changed }) {
  const tabs = new Map(); // by channel: { button, mark, unread }
  const list = el("div", { className: "slack-tabs", attrs: { role: "tablist" }, aria: { label: say("Channels") } });
  const ack = el("span", { className: "slack-ack" });
  const people = el("select", {
    className: "slack-people",
    title: say("Dates and answers are in the language of this person's Slack."),
    onchange: () => {
      setViewer(people.value);
      changed();
    },
  });
  const element = el("div", { className: "slack-top" },
    list, ack, el("label", { className: "slack-viewer" }, `${say("You are:")} `, people));

  list.addEventListener("keydown", (event) => {
    const all = [...tabs.values()];
    const at = all.findIndex(({ button }) => button === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const { button } = all[(to + all.length) % all.length];
    button.focus();
    button.click();
  });

  return {
    element,
    /** Show these channels, those of alerts together if there are several, the app, and these people. */
    draw(channels, alertChannels, persons) {
      tabs.clear();
      const together = alertChannels.length > 1 ? [{ id: ALERTS, name: say("All alerts") }] : [];
      for (const { id, name } of [...channels, ...together, { id: HOME, name: `${theBot().name} ${say("Home")}` }]) {
        const mark = el("span", { className: "slack-unread", hidden: true });
        const button = el("button", {
          type: "button",
          id: tabId(id),
          className: "slack-tab",
          tabIndex: -1,
          attrs: { role: "tab" },
          aria: { selected: "false", controls: (id === ALERTS ? alertChannels : [id]).map(panelId).join(" ") },
          onclick: () => open(id),
        }, id !== HOME && id !== ALERTS && el("span", { aria: { hidden: "true" } }, "# "), name, mark);
        tabs.set(id, { button, mark, unread: 0 });
      }
      fill(list, [...tabs.values()].map(({ button }) => button));
      const option = ([id, { name, locale }]) => el("option", { value: id, lang: locale }, name);
      const group = (label, operates) => el("optgroup", { label },
        Object.entries(persons).filter(([, person]) => person.operates === operates).map(option));
      fill(people, group(say("may change accounts"), true), group(say("may only read"), false));
      people.value = theViewer();
    },
    /** Forget the last answer. */
    clear() {
      ack.textContent = "";
      ack.title = "";
    },
    /** Mark a tab as the open one; nothing is unread in the channels that it shows. */
    select(chosen, shown) {
      for (const [id, { button }] of tabs) {
        button.setAttribute("aria-selected", String(id === chosen));
        button.tabIndex = id === chosen ? 0 : -1;
      }
      for (const id of shown) count(id, 0);
    },
    unread: (id) => count(id, tabs.get(id).unread + 1),
    acknowledged({ what, ms }) {
      const time = ms < 10 ? ms.toFixed(1).replace(/\.0$/, "") : Math.round(ms);
      const soon = say("bot answered in {ms} ms", { ms: time });
      ack.textContent = soon;
      ack.title = say("{what}: {answer}", { what, answer: soon });
    },
  };

  function count(id, unread) {
    const tab = tabs.get(id);
    tab.unread = unread;
    tab.mark.hidden = unread === 0;
    tab.button.classList.toggle("has-unread", unread > 0);
    fill(tab.mark, unread, el("span", { className: "sr-only" }, ` ${say("unread")}`));
  }
}

export const tabId = (channel) => `slack-tab-${channel}`;
export const panelId = (channel) => `slack-panel-${channel}`;
