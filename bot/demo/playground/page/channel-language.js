// The language that the bot writes to the channel in: its setting KF_LANGUAGE.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { attempt, troubleLine } from "./attempt.js";
import { say } from "./language.js";
import { segments } from "./segments.js";

const LANGUAGES = [
  { value: "en", label: "English", lang: "en" },
  { value: "zh", label: "中文", lang: "zh-CN" },
];

/** Show the choice of the channel's language. */
export function mountChannelLanguage(root) {
  const line = troubleLine();
  let present = "en";
  const choice = segments({
    name: "channel-language",
    legend: say("Language of the channel (KF_LANGUAGE)"),
    options: LANGUAGES,
    choose: async (value) => {
      if (!(await attempt(line, "language", { name: value }))) choice.show(present);
    },
  });
  root.title = say("Restarts the bot with KF_LANGUAGE. Answers to one person are in the language of their Slack.");
  fill(root, el("span", { className: "hint", aria: { hidden: "true" } }, say("Channel in")), choice.element, line);
  root.classList.add("channel-language");

  function show({ language }) {
    present = language;
    choice.show(language);
  }
  on("state", show);
  on("language", show);
}
