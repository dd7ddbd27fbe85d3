// The Slack workspace: channels, their messages, and the field to type in.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { keepDates } from "./dates.js";
import { channelView } from "./slack-channel.js";
import { composer } from "./slack-composer.js";
import { onAck } from "./slack-deeds.js";
import { ALERTS, head, HOME, panelId, tabId } from "./slack-head.js";
import { homeView } from "./slack-home.js";
import { modalOver } from "./slack-modal.js";
import { learnNames, theViewer } from "./slack-names.js";
import { allMessages, isReply, isSeen, reset, take } from "./slack-store.js";

/** Draw the workspace into `root`, and keep it up to date. */
export function mountSlack(root) {
  const views = new Map(); // by channel
  const modals = new Map(); // by person, the view in front
  let channels = [];
  let alertChannels = []; // IDs
  let active = "";
  let shown = []; // the channels that are open
  const panels = el("div", { className: "slack-panels" });
  const top = head({ open, changed });
  const field = composer({ tell: show, sent: (id) => views.get(id)?.toEnd() });
  const home = homeView({ panelId: panelId(HOME), tabId: tabId(HOME) });
  const modal = modalOver([top.element, panels, field.element], field.input);
  root.classList.add("slack");
  fill(root, top.element, panels, field.element, modal.element);
  const redrawDates = keepDates(root);
  onAck(top.acknowledged);

  function open(id) {
    active = id;
    shown = id === ALERTS ? alertChannels : channels.map((channel) => channel.id).filter((one) => one === id);
    panels.classList.toggle("side-by-side", id === ALERTS);
    for (const view of views.values()) view.show(shown.includes(view.id));
    home.show(id === HOME);
    top.select(id, shown);
    field.element.hidden = shown.length !== 1; // Home has no message field
    if (shown.length === 1) field.turnTo(channels.find((channel) => channel.id === id));
  }

  function changed() {
    allMessages().filter((one) => one.only_for).forEach(show);
    home.show(active === HOME);
    modal.show(modals.get(theViewer()) ?? null);
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
    alertChannels = state.alert_channels;
    for (const view of views.values()) view.close();
    views.clear();
    for (const channel of channels) {
      views.set(channel.id, channelView(channel, { panelId: panelId(channel.id), tabId: tabId(channel.id) }));
    }
    fill(panels, [...views.values(), home].map((view) => view.element));
    top.draw(channels, alertChannels, state.people);
    home.reset(state.homes);
    const kept = views.has(active) || active === HOME || (active === ALERTS && alertChannels.length > 1);
    open(kept ? active : channels[0].id);
    allMessages().forEach(show);
    for (const id of shown) views.get(id).toEnd();
    modals.clear();
    for (const { user, view } of state.modals) modals.set(user, view);
    modal.show(modals.get(theViewer()) ?? null);
  });

  on("home", home.put);

  on("modal", ({ user, view }) => {
    modals.set(user, view);
    if (user === theViewer()) modal.show(view);
  });

  on("fresh", top.clear);

  on("message", (event) => {
    const view = views.get(event.channel);
    if (!view) return;
    const message = take(event);
    view.update(message ?? event, message === null);
    const isNew = event.change === "posted" || event.change === "ephemeral";
    const inChannel = !isReply(event) || event.broadcast;
    if (isNew && inChannel && isSeen(event) && !shown.includes(event.channel)) top.unread(event.channel);
  });
}
