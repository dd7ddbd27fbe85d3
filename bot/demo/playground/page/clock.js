// The playground's clock: what time it is there, and how fast it goes.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { attempt, troubleLine } from "./attempt.js";
import { say } from "./language.js";
import { segments } from "./segments.js";
import { day, minute, second } from "./times.js";

const RATES = [
  { value: 1, label: say("real time") },
  { value: 60, label: say("an hour a minute") },
  { value: 1440, label: say("a day a minute") },
];

let known = { now: Date.now() / 1000, rate: 1 };
let heardAt = performance.now();
const followers = [];

/** What time it is in the playground, in Unix seconds. */
export function now() {
  return known.now + ((performance.now() - heardAt) / 1000) * known.rate;
}

/** Return how many of the playground's seconds pass in one real second. */
export function rate() {
  return known.rate;
}

/** Call `follower(now)` about four times a second, and at once when the clock was set. */
export function everyTick(follower) {
  followers.push(follower);
}

function tick() {
  if (document.hidden) return;
  const moment = now();
  for (const follower of followers) follower(moment);
}

function heard(clock) {
  known = clock;
  heardAt = performance.now();
  tick();
}

/** Show the time and the choice of speeds. */
export function mountClock(root) {
  const date = el("span", { className: "clock-date" });
  const time = el("span", { className: "clock-time" });
  const line = troubleLine();
  const choice = segments({
    name: "clock-rate",
    legend: say("Speed of the clock"),
    options: RATES,
    choose: async (value) => {
      const answer = await attempt(line, "clock", { rate: value });
      if (!answer) show();
    },
  });
  fill(
    root,
    el("time", { className: "clock-now", title: say("The playground's clock") },
      el("span", { className: "sr-only" }, `${say("The playground's clock:")} `), time, date),
    choice.element,
    line,
  );
  root.classList.add("clock");

  function show() {
    choice.show(known.rate);
  }
  everyTick((moment) => {
    // Seconds that fly by are a blur; minutes can still be read.
    const text = known.rate > 1 ? minute(moment) : second(moment);
    if (time.textContent !== text) time.textContent = text;
    const today = day(moment);
    if (date.textContent !== today) date.textContent = today;
  });
  on("state", (state) => heard(state.clock));
  on("clock", heard);
  on("state", show);
  on("clock", show);
  setInterval(tick, 250);
}
