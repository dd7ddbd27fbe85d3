// One message as a row: who, when, what. An edit changes what is inside, and leaves the row and its thread alone.
import { el, fill } from "./dom.js";
import { drawBlocks } from "./blocks.js";
import { stamp } from "./dates.js";
import { say } from "./language.js";
import { keepingFocus, sending } from "./slack-controls.js";
import { click } from "./slack-deeds.js";
import { nameOf, theBot } from "./slack-names.js";
import { mrkdwn } from "./slack-text.js";

const COLOURS = 6; // of people's squares; slack.css has them
let made = 0; // for ids

/**
 * Draw a message.
 * @param {object} message
 * @param {{ above?: Node, below?: Node }} around what stands over the author, and under the content
 */
export function messageRow(message, { above = null, below = null } = {}) {
  made += 1;
  const headId = `slack-head-${made}`;
  let shown = message;
  const warning = el("p", { className: "slack-warning", attrs: { role: "alert" } });
  const body = el("div", { className: "slack-body" });
  const content = el("div", { className: "slack-content" }, head(message, headId), body, warning, below);
  const element = el(
    "article",
    {
      className: `slack-message${message.only_for ? " ephemeral" : ""}${message.note ? " note" : ""}`,
      tabIndex: -1,
      data: { ts: message.ts },
      aria: { labelledby: message.only_for ? `${headId} ${headId}-only` : headId },
    },
    message.only_for && el("p", { id: `${headId}-only`, className: "slack-above" }, say("Only visible to you")),
    above,
    avatar(message),
    content,
  );

  const send = sending((details) => click({ channel: shown.channel, ts: shown.ts, ...details }), warning);

  function patch(next) {
    shown = next;
    keepingFocus(body, element, () => fill(body, drawn(next, send)));
  }

  patch(message);
  return { element, patch };
}

function drawn(message, send) {
  const edited = message.edited && el("span", { className: "slack-edited" }, ` ${say("(edited)")}`);
  if (Array.isArray(message.blocks) && message.blocks.length) return [...drawBlocks(message.blocks, send), edited];
  return [el("div", { className: "slack-text" }, mrkdwn(String(message.text ?? "")), edited)];
}

function head(message, id) {
  const isBot = message.user === theBot().id;
  return el(
    "div",
    { className: "slack-row-head", id },
    el("strong", { className: "slack-name" }, authorOf(message)),
    (isBot || message.note) && el("span", { className: "slack-app" }, say("APP")),
    stamp(message.ts),
  );
}

function authorOf(message) {
  if (message.note) return "Slackbot";
  return nameOf("person", message.user) || message.user;
}

/** The square of the app. */
export function appAvatar() {
  return el("span", { className: "slack-avatar bot", aria: { hidden: "true" } }, theBot().name.slice(0, 2));
}

function avatar(message) {
  const name = authorOf(message);
  if (message.user === theBot().id) return appAvatar();
  const colour = [...message.user].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % COLOURS;
  const kind = message.note ? "note" : `colour-${colour}`;
  const letters = [...name].slice(0, 1).join("").toUpperCase();
  return el("span", { className: `slack-avatar ${kind}`, aria: { hidden: "true" } }, letters);
}
