// The six steps of the tour: what to do, where, and how the page sees that it was done.
import { BETWEEN, pieces, say } from "./language.js";

const find = (selector) => document.querySelector(selector);
/** A sentence as a list: its texts, and its values as `{ code }`. */
const sayWithCode = (sentence, values) =>
  pieces(sentence, values).map((part, at) => (at % 2 ? { code: part } : part)).filter((part) => part !== "");

/** The box people type into. */
function composer() {
  return find("#slack-root .slack-field-box") ?? find("#slack-root textarea, #slack-root input[type=text]");
}

/** The button for an action in one account's row, or in the first row that has one. */
function action(name, key = null) {
  const row = key === null ? "" : `[data-key="${CSS.escape(key)}"]`;
  return find(`#console tr${row}:not([hidden]) button[data-action="${name}"]`);
}

/** The button in Slack that asks for the form to invite again, or in the form the one that sends it. */
function inviting() {
  const buttons = document.querySelectorAll('#slack-root [data-action-id="op.invite"], .slack-modal-submit');
  return [...buttons].findLast((one) => one.checkVisibility()); // the window stands last
}

/** The button that closes the window with the result. */
function closing() {
  return find(".slack-veil:not([hidden]) .slack-modal-close");
}

/** The entry of the alert channel in the list of channels. */
function alertChannel(name) {
  const places = document.querySelectorAll("#slack-root button, #slack-root a, #slack-root [role=tab]");
  return [...places].find((place) => place.textContent.includes(name)) ?? null;
}

/** Whether the alert channel is the one being shown. */
function alertsShown(name) {
  const current = document.querySelectorAll(
    "#slack-root [aria-current]:not([aria-current=false]), #slack-root [aria-selected=true]",
  );
  return [...current].some((place) => place.textContent.includes(name));
}

/**
 * Each step: `title`, `text` (strings and `{code}`), `done` (said then, for `linger` milliseconds), the `side` it
 * points at, `targets(seen, alerts)` to mark, and `achieved(seen, alerts)`. `seen` is what tour.js saw, `alerts`
 * the name of the alert channel.
 */
export const STEPS = [
  {
    title: say("Ask how things are"),
    text: sayWithCode("In Slack, type {command} and press Enter. The bot reads WeChat and answers, to you alone.", {
      command: "/kf",
    }),
    done: say("That is read from WeChat each time. The wire at the bottom shows what was asked."),
    side: "left",
    linger: 3500,
    targets: () => [composer()],
    achieved: (seen) => seen.commands > 0,
  },
  {
    title: say("Reject an invitation"),
    text: sayWithCode("Now be the person who was invited: press {reject} at an account that is waiting.", {
      reject: say("Reject"),
    }),
    done: say("Rejected in WeChat. Nobody has told Slack yet: the bot has to notice."),
    side: "right",
    linger: 2500,
    targets: () => [action("reject")],
    achieved: (seen) => seen.rejected !== null,
  },
  {
    title: say("See the alert"),
    text: sayWithCode("The bot tells the channel {channel} by itself. Open it in Slack, on the left.", {
      channel: "#kf-alerts",
    }),
    done: say("Told once, and not again. The same message changes when something becomes of it."),
    side: "left",
    linger: 5000,
    targets: (seen, alerts) => [alertChannel(alerts)],
    achieved: (seen, alerts) => seen.alert && alertsShown(alerts),
  },
  {
    title: say("Invite again"),
    text: sayWithCode("Press {invite} at the alert, and send the invitation. The console stays closed.", {
      invite: say("Invite again"),
    }),
    done: say("Sent once, and written down before. The thread of the alert says who did it."),
    side: "left",
    linger: 4000,
    targets: (seen, alerts) => [alertsShown(alerts) ? inviting() : alertChannel(alerts)],
    achieved: (seen) => seen.invited,
  },
  {
    title: say("Watch it accepted"),
    text: sayWithCode("Be that person again: press {accept} at the account, close the window and watch the alert.", {
      accept: say("Accept"),
    }),
    done: say("Bound. What became of it stands in the alerts themselves, and nobody had to clean up."),
    side: "right",
    linger: 5000,
    targets: (seen) => [action("accept", seen.rejected), closing()],
    // The alert follows the new invitation. If a person deleted it, the account alone will do.
    achieved: (seen) => seen.bound || performance.now() > seen.acceptedAt + 5000,
  },
  {
    title: say("Be unkind to it"),
    text: sayWithCode("Press {kill}, or let {rate} pass. What is due is told, once.", {
      kill: say("Kill the bot"),
      rate: say("a day a minute"),
    }),
    done: say("It carries on where it was: what was told is kept in its store."),
    side: "right",
    linger: 4000,
    targets: () => [find("#faults .button.danger"), find("#clock .segments")],
    achieved: (seen) => seen.restarts > 0 || seen.rate > 1,
  },
];

/** The last word. */
export const CLOSING = {
  title: say("What you would deploy"),
  text: [
    ...sayWithCode(
      "Only the bot: one process, {command}, with two values from Slack, two from WeChat and the channel for alerts.",
      { command: "python -m bot" },
    ),
    BETWEEN,
    say("PostgreSQL where the disk does not last. The rest of this page is simulated."),
    BETWEEN,
    say("README.md says how, in about ten minutes."),
  ],
  side: "both",
};
