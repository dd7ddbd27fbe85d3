// What the server tells, and what is asked of it.
import { say } from "./language.js";

const listeners = new Map(); // by kind of event

const KINDS = [
  "state", "message", "modal", "home", "seats", "clock", "bot", "faults", "language", "platform", "wire", "fresh",
];

/** Call `listener(data)` at each event of one of `KINDS`, and at `link`. */
export function on(kind, listener) {
  if (!listeners.has(kind)) listeners.set(kind, []);
  listeners.get(kind).push(listener);
}

function tell(kind, data) {
  for (const listener of listeners.get(kind) ?? []) listener(data);
}

/** Listen to the server. `state` comes first, again after each break, and after `fresh`, when
 * all was emptied; `link` says whether it is there. */
export function listen() {
  const source = new EventSource("/events");
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => tell(kind, JSON.parse(event.data)));
  }
  source.addEventListener("open", () => tell("link", true));
  source.addEventListener("error", () => tell("link", false));
}

/** The server is gone. */
export class NoAnswer extends Error {}

/**
 * Ask for something to happen: `act("wechat.reject", { key })`. What follows from it comes as events.
 * Returns the server's answer; throws an Error whose message people can read.
 */
export async function act(name, details = {}) {
  let answer;
  try {
    answer = await fetch(`/do/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(details),
    });
  } catch {
    throw new NoAnswer(say("The playground does not answer. Is `make demo` still running?"));
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok && said.sentence) throw new Error(say(said.sentence, said.values));
  if (!answer.ok) throw new Error(say("The playground answered {status}.", { status: answer.status }));
  return said;
}
