// The five steps of the tour: what to do, where, and how the page sees that it was done.

const find = (selector) => document.querySelector(selector);
const code = (text) => ({ code: text });

/** The box people type into. */
function composer() {
  return find("#slack-root .slack-field-box") ?? find("#slack-root textarea, #slack-root input[type=text]");
}

/** The button for an action in one account's row, or in the first row that has one. */
function action(name, key = null) {
  const row = key === null ? "" : `[data-key="${CSS.escape(key)}"]`;
  return find(`#console tr${row}:not([hidden]) button[data-action="${name}"]`);
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
    title: "Ask how things are",
    text: ["In Slack, type ", code("/kf"), " and press Enter. The bot reads WeChat and answers, to you alone."],
    done: "That is read from WeChat each time. The wire at the bottom shows what was asked.",
    side: "left",
    linger: 3500,
    targets: () => [composer()],
    achieved: (seen) => seen.commands > 0,
  },
  {
    title: "Reject an invitation",
    text: ["Now be the person who was invited: press ", code("Reject"), " at an account that is waiting."],
    done: "Rejected in WeChat. Nobody has told Slack yet: the bot has to notice.",
    side: "right",
    linger: 2500,
    targets: () => [action("reject")],
    achieved: (seen) => seen.rejected !== null,
  },
  {
    title: "See the alert",
    text: ["The bot tells the channel ", code("#kf-alerts"), " by itself. Open it in Slack, on the left."],
    done: "Told once, and not again. The same message changes when something becomes of it.",
    side: "left",
    linger: 5000,
    targets: (seen, alerts) => [alertChannel(alerts)],
    achieved: (seen, alerts) => seen.alert && alertsShown(alerts),
  },
  {
    title: "Put it right",
    text: ["Press ", code("Invite…"), " at that account, then ", code("Accept"),
      ". Watch the alert turn to bound."],
    done: "Bound. What became of it stands in the alerts themselves, and nobody had to clean up.",
    side: "right",
    linger: 5000,
    targets: (seen) => [action("accept", seen.rejected), action("invite", seen.rejected)],
    // The alert follows the new invitation. If a person deleted it, the account alone will do.
    achieved: (seen) => seen.bound || performance.now() > seen.acceptedAt + 5000,
  },
  {
    title: "Be unkind to it",
    text: ["Press ", code("Kill the bot"), ", or let ", code("a day a minute"), " pass. ",
      "What is due is told, once."],
    done: "It carries on where it was: what was told is kept in its store.",
    side: "right",
    linger: 4000,
    targets: () => [find("#faults .button.danger"), find("#clock .segments")],
    achieved: (seen) => seen.restarts > 0 || seen.rate > 1,
  },
];

/** The last word. */
export const CLOSING = {
  title: "What you would deploy",
  text: [
    "Only the bot: one process, ", code("python -m bot"), ", with two values from Slack, two from WeChat and the ",
    "channel for alerts. PostgreSQL where the disk does not last. The rest of this page is simulated. ",
    "README.md says how, in about ten minutes.",
  ],
  side: "both",
};
