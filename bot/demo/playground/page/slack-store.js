// The messages of the workspace: by channel and ts, and in which order they stand.
import { say } from "./language.js";
import { theViewer } from "./slack-names.js";

const messages = new Map();
let made = 0; // messages of the page's own

/** What tells a message from all others. */
export function keyOf({ key, channel, only_for: onlyFor, ts }) {
  return key ?? `${channel} ${onlyFor ? "only" : "all"} ${ts}`;
}

export const isReply = (message) => Boolean(message.thread_ts) && message.thread_ts !== message.ts;

/** Does the person who looks see it? */
export const isSeen = (message) => !message.only_for || message.only_for === theViewer();

/** Oldest first. `ts` has more digits than a number keeps safely, so its halves are compared. */
export function inOrder(one, other) {
  const [seconds, rest = ""] = one.ts.split(".");
  const [otherSeconds, otherRest = ""] = other.ts.split(".");
  return Number(seconds) - Number(otherSeconds) || Number(rest.padEnd(6, "0")) - Number(otherRest.padEnd(6, "0"));
}

/** Forget everything, and take these. */
export function reset(all) {
  messages.clear();
  for (const message of [...all].sort(inOrder)) messages.set(keyOf(message), message);
}

/** Take one event in; what the page has to show now, or null when nothing is left of the message. */
export function take({ change, ...message }) {
  const key = keyOf(message);
  if (change !== "deleted") {
    messages.set(key, message);
    return message;
  }
  messages.delete(key);
  if (isReply(message) || !repliesTo(message).length) return null;
  // The replies need something to stand under, as in Slack.
  const stone = { ...message, text: `_${say("This message was deleted.")}_`, blocks: [], edited: false };
  messages.set(key, stone);
  return stone;
}

export const allMessages = () => [...messages.values()];

export function repliesTo(root) {
  return allMessages().filter((one) => isReply(one) && one.channel === root.channel && one.thread_ts === root.ts);
}

export function rootOf(reply) {
  return messages.get(keyOf({ ...reply, key: undefined, only_for: null, ts: reply.thread_ts }));
}

/** A message of the page's own, as Slack tells one person that something failed. Gone at the next snapshot. */
export function note(channel, text, moment) {
  made += 1;
  const last = allMessages().filter((one) => one.channel === channel).reduce((late, one) =>
    (Number(one.ts) > Number(late) ? one.ts : late), moment.toFixed(6));
  const message = {
    key: `${channel} note ${made}`, channel, ts: last, user: "", text, blocks: [],
    thread_ts: null, broadcast: false, edited: false, only_for: theViewer(), note: true,
  };
  messages.set(message.key, message);
  return message;
}
