// What a person does in Slack, and how soon the bot acknowledged it.
import { act } from "./feed.js";
import { say } from "./language.js";
import { theViewer } from "./slack-names.js";

let told = () => {};

/** Call `listener({ what, ms })` whenever the bot has acknowledged something. */
export function onAck(listener) {
  told = listener;
}

/** Type a command. Returns the failure as Slack tells it, or "". */
export async function command(channel, text) {
  const failure = await done(text, "slack.command", { channel, user: theViewer(), text });
  const name = text.split(/\s/)[0];
  if (!failure) return "";
  return failure.code
    ? say('{command} failed with the error "{error}"', { command: name, error: failure.code })
    : failure.sentence;
}

/** Write a message. Returns what went wrong, or "". */
export async function write(channel, text) {
  const failure = await done("", "slack.say", { channel, user: theViewer(), text });
  return failure ? failure.sentence || failure.code : "";
}

/** Click on a button, or choose from a menu. Returns the warning that Slack shows, or "". */
export async function click(details) {
  const failure = await done(say("click"), "slack.click", { user: theViewer(), ...details });
  if (!failure) return "";
  return failure.code
    ? say('This app responded with the error "{error}".', { error: failure.code })
    : failure.sentence;
}

async function done(what, name, details) {
  try {
    const { ms, failure } = await act(name, details);
    if (failure) return { code: failure, sentence: "" };
    if (what) told({ what, ms });
    return null;
  } catch (error) {
    return { code: "", sentence: error.message };
  }
}
