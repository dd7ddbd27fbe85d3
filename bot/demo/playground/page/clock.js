// The playground's clock: what time it is there, and how fast it goes.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { attempt, troubleLine } from "./attempt.js";
import { day, minute, second } from "./times.js";

const RATES = [
  { rate: 1, label: "real time" },
  { rate: 60, label: "an hour a minute" },
  { rate: 1440, label: "a day a minute" },
];

let known = { now: Date.now() / 1000, rate: 1 };
let heardAt = performance.now();
const followers = [];

/** What time it is in the playground, in Unix seconds. */
export function now() {
  return known.now + ((performance.now() - heardAt) / 1000) * known.rate;
}

/** How many seconds pass there in one of ours. */
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
  const choices = RATES.map(({ rate: value, label }) => {
    const input = el("input", {
      type: "radio",
      name: "clock-rate",
      value: String(value),
      className: "sr-only",
      onchange: async () => {
        const answer = await attempt(line, "clock", { rate: value });
        if (!answer) show();
      },
    });
    return { value, input, label: el("label", { className: "segment" }, input, el("span", {}, label)) };
  });
  fill(
    root,
    el("time", { className: "clock-now", title: "The playground's clock" },
      el("span", { className: "sr-only" }, "The playground's clock: "), time, date),
    el("fieldset", { className: "segments" },
      el("legend", { className: "sr-only" }, "Speed of the clock"), choices.map((choice) => choice.label)),
    line,
  );
  root.classList.add("clock");

  function show() {
    for (const choice of choices) choice.input.checked = choice.value === known.rate;
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
