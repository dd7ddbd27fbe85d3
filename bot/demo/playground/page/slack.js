// The Slack workspace: channels, their messages, and the field to type in.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { keepDates } from "./dates.js";
import { channelView } from "./slack-channel.js";
import { composer } from "./slack-composer.js";
import { onAck } from "./slack-deeds.js";
import { head, panelId, tabId } from "./slack-head.js";
import { learnNames } from "./slack-names.js";
import { allMessages, isReply, isSeen, reset, take } from "./slack-store.js";

/** Draw the workspace into `root`, and keep it up to date. */
export function mountSlack(root) {
  const views = new Map(); // by channel
  let channels = [];
  let active = "";
  const panels = el("div", { className: "slack-panels" });
  const top = head({ open, changed });
  const field = composer({ tell: show, sent: (id) => views.get(id)?.toEnd() });
  root.classList.add("slack");
  fill(root, top.element, panels, field.element);
  const redrawDates = keepDates(root);
  onAck(top.acknowledged);

  function open(id) {
    active = id;
    for (const view of views.values()) view.show(view.id === id);
    top.select(id);
    field.turnTo(channels.find((channel) => channel.id === id));
  }

  function changed() {
    allMessages().filter((one) => one.only_for).forEach(show);
    redrawDates();
  }

  function show(message) {
    views.get(message.channel)?.update(message);
  }

  on("state", (state) => {
    learnNames(state);
    reset(state.messages);
    field.learn(state);
    channels = state.channels;
    for (const view of views.values()) view.close();
    views.clear();
    for (const channel of channels) {
      views.set(channel.id, channelView(channel, { panelId: panelId(channel.id), tabId: tabId(channel.id) }));
    }
    fill(panels, [...views.values()].map((view) => view.element));
    top.draw(channels, state.people);
    open(views.has(active) ? active : channels[0].id);
    allMessages().forEach(show);
    views.get(active).toEnd();
  });

  on("fresh", top.clear);

  on("message", (event) => {
    const view = views.get(event.channel);
    if (!view) return;
    const message = take(event);
    view.update(message ?? event, message === null);
    const isNew = event.change === "posted" || event.change === "ephemeral";
    const inChannel = !isReply(event) || event.broadcast;
    if (isNew && inChannel && isSeen(event) && event.channel !== active) top.unread(event.channel);
  });
}
