// The tour: a strip above the place that it explains, which goes on by itself when the step was done. It covers
// nothing and takes the focus only when a user opens it with the button.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { everyTick } from "./clock.js";
import { say } from "./language.js";
import { CLOSING, STEPS } from "./tour-steps.js";

const KEY = "kf-tour"; // in localStorage: the number of the step, or "over"
// what alerts say, in either language of the channel
const REJECTION = /rejected|已拒绝/;
const BINDING = /\bbound\b|已绑定/;
const REJECTED = 1; // the step in which an invitation is rejected; the next one looks at the alert
const INVITED = 3; // the step in which it is invited again
const UNKIND = 5; // the step in which the bot is killed

/** Show the tour in an element at a first visit, and again when the button is pressed. */
export function mountTour(root, button) {
  let step = 0; // STEPS.length is the closing word
  let furthest = 0; // who goes back wants to read, and is not sent forward again
  let open = false;
  let going = 0; // the timer to the next step
  let seen = nothingSeen();
  let marked = [];
  let before = new Map(); // the state of each account, by key
  let restarts = null;
  let alerts = { id: "", name: "kf-alerts" }; // the channel they go to

  const title = el("h2", { id: "tour-title" });
  const text = el("p", { id: "tour-text" });
  const dots = el("span", { className: "tour-dots", aria: { hidden: "true" } }, STEPS.map(() => el("i")));
  const at = el("span", { className: "tour-at" });
  const skip = el("button", { type: "button", className: "button small quiet", onclick: end }, say("Skip the tour"));
  const back = el("button", { type: "button", className: "button small", onclick: () => go(step - 1) },
    say("Back"));
  const next = el("button", { type: "button", className: "button small primary" }, say("Next"));
  next.addEventListener("click", () => (step < STEPS.length ? go(step + 1) : end()));
  const callout = el("div", {
    className: "tour", tabIndex: -1, attrs: { role: "dialog" },
    aria: { label: say("Tour"), describedby: "tour-text" },
    onkeydown: (event) => {
      if (event.key === "Escape") end();
    },
  },
  el("div", { className: "tour-words", aria: { live: "polite" } }, title, text),
  el("div", { className: "tour-foot" }, at, dots, el("span", { className: "tour-buttons" }, skip, back, next)));

  button.addEventListener("click", () => {
    start(0);
    callout.focus();
  });
  // The strip takes its height from the two panels below it, not from the wire.
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--tour-height", `${root.offsetHeight}px`);
  }).observe(root);
  // Some steps are not events of the server: a channel is opened, a row is drawn again, time passes.
  everyTick(look);

  function start(first, by) {
    open = true;
    seen = nothingSeen();
    furthest = first;
    fill(root, callout);
    go(first, by);
  }

  function end() {
    const held = callout.contains(document.activeElement);
    open = false;
    clearTimeout(going);
    going = 0;
    mark([]);
    fill(root);
    remember("over");
    if (held) button.focus();
  }

  function go(to, by = "") {
    clearTimeout(going);
    going = 0;
    step = Math.min(Math.max(to, 0), STEPS.length);
    furthest = Math.max(furthest, step);
    const { title: head, text: parts, side } = STEPS[step] ?? CLOSING;
    fill(title, head);
    fill(text, parts.map((part) => (part.code ? el("code", {}, part.code) : part)));
    callout.dataset.side = side;
    callout.classList.remove("done");
    const last = step === STEPS.length;
    fill(at, last ? say("The end") : say("Step {number} of {total}", { number: step + 1, total: STEPS.length }));
    for (const [index, dot] of [...dots.children].entries()) dot.classList.toggle("passed", index < step);
    if (step === 0 && document.activeElement === back) next.focus(); // what is disabled drops the focus
    back.disabled = step === 0;
    if (last && document.activeElement === skip) next.focus();
    skip.hidden = last;
    next.textContent = last ? say("Finish") : say("Next");
    remember(String(step));
    // What this step waits for has to happen in it, unless it follows from the step before.
    if (step === 0) seen.commands = 0;
    if (step === REJECTED) seen.rejected = null;
    if (step === INVITED) seen.invited = false;
    if (step === UNKIND) Object.assign(seen, { restarts: 0, rate: 1 });
    look();
    if (by !== "visit") marked[0]?.scrollIntoView({ block: "nearest" });
  }

  /** Mark what is to be used now, and go on when the step was done. */
  function look() {
    if (!open) return;
    const now = STEPS[step];
    mark(now ? now.targets(seen, alerts.name).filter(Boolean) : []);
    if (!now || going || step < furthest || !now.achieved(seen, alerts.name)) return;
    callout.classList.add("done");
    fill(text, now.done);
    for (const [index, dot] of [...dots.children].entries()) dot.classList.toggle("passed", index <= step);
    going = setTimeout(() => go(step + 1), now.linger);
  }

  function mark(targets) {
    for (const one of marked) if (!targets.includes(one)) one.classList.remove("tour-here");
    for (const one of targets) one.classList.add("tour-here");
    marked = targets;
  }

  function seats(all) {
    for (const seat of all) {
      const was = before.get(seat.key);
      if (was === "waiting" && seat.state === "rejected") seen.rejected = seat.key;
      if (was === "rejected" && seat.state === "waiting") seen.invited = true;
      if (was === "waiting" && seat.state === "bound") seen.acceptedAt = performance.now();
    }
    before = new Map(all.map((seat) => [seat.key, seat.state]));
  }

  /** The rejection and its alert may be older than the page. When they are gone, it is one step back. */
  function catchUp(state) {
    seen.rejected = state.seats.find((seat) => seat.state === "rejected")?.key ?? null;
    seen.alert = state.messages.some((one) => one.channel === alerts.id && REJECTION.test(wordsOf(one)));
    if (seen.rejected !== null || seen.alert) return;
    furthest = REJECTED;
    go(REJECTED, "visit");
  }

  on("fresh", ({ tour }) => {
    end();
    if (tour) forget();
    before = new Map();
    restarts = null;
  });
  on("state", (state) => {
    button.hidden = state.accounts.length > 1; // the steps are about a single Official Account
    if (button.hidden) {
      if (open) end();
      return;
    }
    alerts = state.channels.find(({ name }) => name.includes("alert")) ?? alerts;
    seats(state.seats);
    restarts ??= state.bot.restarts;
    const remembered = recall();
    if (!open && remembered !== "over") start(Number(remembered) || 0, "visit"); // the page stays at its top
    if (open && step === REJECTED + 1) catchUp(state);
  });
  on("seats", ({ seats: all }) => seats(all));
  on("message", (message) => {
    if (message.change === "ephemeral") seen.commands += 1;
    if (message.channel === alerts.id) {
      const words = wordsOf(message);
      if (seen.rejected !== null && REJECTION.test(words)) seen.alert = true;
      if (message.change === "edited" && BINDING.test(words)) seen.bound = true;
    }
  });
  on("clock", (clock) => {
    if (clock.rate > 1) seen.rate = clock.rate;
  });
  on("bot", (bot) => {
    if (restarts !== null && bot.restarts > restarts) seen.restarts += 1;
    restarts = bot.restarts;
  });
}

/** All that a message says, in lower case. */
function wordsOf({ text, blocks }) {
  return JSON.stringify([text, blocks]).toLowerCase();
}

function nothingSeen() {
  const account = { rejected: null, alert: false, invited: false, bound: false, acceptedAt: Infinity };
  return { commands: 0, ...account, restarts: 0, rate: 1 };
}

function recall() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function forget() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Then it was never remembered.
  }
}

function remember(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Then it is shown again at the next visit.
  }
}
