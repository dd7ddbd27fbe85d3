// The question that a button or menu may ask before its click counts.
import { confirmed } from "./dialog.js";
import { el } from "./dom.js";
import { say } from "./language.js";
import { plainString, textObject } from "./slack-text.js";

/** Ask, when there is something to ask; whether to go on. */
export async function agreed(confirm) {
  if (!confirm) return true;
  return confirmed({
    title: plainString(confirm.title, say("its title")),
    text: el("span", {}, textObject(confirm.text, say("its text"))).textContent,
    yes: plainString(confirm.confirm, say("its yes")),
    no: plainString(confirm.deny, say("its no")),
    danger: confirm.style === "danger",
  });
}
