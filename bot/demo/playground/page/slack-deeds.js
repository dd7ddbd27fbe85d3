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

/** Click on a button of a message, or choose from a menu. Returns the warning that Slack shows, or "". */
export const click = (details) => warned(say("click"), "slack.click", details);

/** The same in the window in front; `details` name its view and what its fields contain. */
export const clickInModal = (details) => warned(say("click"), "slack.click-in-modal", details);

/** The same in App Home. */
export const clickInHome = (details) => warned(say("click"), "slack.click-in-home", details);

/** Open App Home. Returns the warning, or "". */
export const openHome = () => warned(say("App Home"), "slack.open-home", {});

/** Submit the window in front. What the app refuses, Slack shows in the window; only the page's trouble returns. */
export const submit = (details) => warned(say("window submitted"), "slack.submit", details);

/** Close the window in front, or `whole`. */
export const close = (details) => warned("", "slack.close", details);

async function warned(what, name, details) {
  const failure = await done(what, name, { user: theViewer(), ...details });
  if (!failure) return "";
  return failure.code
    ? say('This app responded with the error "{error}".', { error: failure.code })
    : failure.sentence;
}

async function done(what, name, details) {
  try {
    const { ms, failure } = await act(name, details);
    if (failure) return { code: failure, sentence: "" };
    if (what && ms !== null) told({ what, ms });
    return null;
  } catch (error) {
    return { code: "", sentence: error.message };
  }
}
