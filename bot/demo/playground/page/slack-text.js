// Text objects as nodes: mrkdwn's tree, and plain_text. Foreign text never becomes HTML.
import { el } from "./dom.js";
import { timeElement } from "./dates.js";
import { withEmoji } from "./emoji.js";
import { say } from "./language.js";
import { parse } from "./mrkdwn.js";
import { nameOf } from "./slack-names.js";

/** Something in a message that cannot be drawn; the text says what. */
export class Malformed extends Error {}

/** Draw a text object of one of these types. Throws `Malformed` for anything else. */
export function textObject(object, place, types = ["plain_text", "mrkdwn"]) {
  if (!object || typeof object !== "object") throw new Malformed(say("{place} is missing", { place }));
  if (!types.includes(object.type)) throw new Malformed(say("{place} is of type “{type}”", { place, type: object.type }));
  if (typeof object.text !== "string" || !object.text) throw new Malformed(say("{place} has no text", { place }));
  if (object.type === "mrkdwn") return mrkdwn(object.text, { verbatim: object.verbatim === true });
  return [plainText(object)];
}

/** What a plain_text object reads. */
export function plainText({ text, emoji }) {
  return emoji === false ? text : withEmoji(text);
}

/** A plain_text object as a string. Throws `Malformed` for anything else. */
export function plainString(object, place) {
  textObject(object, place, ["plain_text"]);
  return plainText(object);
}

/** mrkdwn as nodes. */
export function mrkdwn(text, options) {
  return parse(text, options).map(drawn);
}

const CONTAINERS = { bold: "strong", italic: "em", strike: "s", quote: "blockquote" };

function drawn(node) {
  switch (node.type) {
    case "text":
      return withEmoji(node.text);
    case "bold":
    case "italic":
    case "strike":
    case "quote":
      return el(CONTAINERS[node.type], {}, node.children.map(drawn));
    case "code":
      return el("code", {}, node.text);
    case "pre":
      return el("pre", {}, node.text);
    case "link":
      return link(node.url, node.text);
    case "date":
      return date(node);
    default:
      return mention(node);
  }
}

function link(url, ...content) {
  return el("a", { href: url, target: "_blank", rel: "noreferrer" }, content);
}

function date({ seconds, tokens, url, fallback }) {
  const time = timeElement(seconds, tokens, fallback);
  if (!time) return fallback;
  return url ? link(url, time) : time;
}

function mention({ type, id, text }) {
  const sign = type === "channel" ? "#" : "@";
  const name = type === "everyone" ? text : nameOf(type, id) || text || id;
  return el("span", { className: `slack-mention ${type}`, title: id ?? "" }, `${sign}${name}`);
}
