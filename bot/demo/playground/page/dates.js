// Slack's date tokens: `<!date^1795398780^{date_short_pretty} {time}|…>`, in the viewer's own time zone.
// What is today is said by the playground's clock, so drawn dates are said anew when its day changes.
import { el } from "./dom.js";
import { everyTick, now } from "./clock.js";

const format = (options) => new Intl.DateTimeFormat("en-US", options);
const MONTH = format({ month: "long" });
const SHORT = format({ month: "short", day: "numeric", year: "numeric" });
const WEEKDAY = format({ weekday: "long" });
const TIME = format({ hour: "numeric", minute: "2-digit" });
const TIME_SECS = format({ hour: "numeric", minute: "2-digit", second: "2-digit" });
const FULL = format({ dateStyle: "full", timeStyle: "long" });

const LATEST = 8_640_000_000_000; // seconds; what a Date can hold

const plain = {
  date_num: (date) => dayKey(date),
  date: (date) => `${MONTH.format(date)} ${ordinal(date.getDate())}, ${date.getFullYear()}`,
  date_short: (date) => SHORT.format(date),
  date_long: (date) => `${WEEKDAY.format(date)}, ${plain.date(date)}`,
  time: (date) => spaced(TIME.format(date)),
  time_secs: (date) => spaced(TIME_SECS.format(date)),
  ago: (date, moment) => ago(moment - date.getTime() / 1000),
};

/** Say a moment by Slack's tokens; null when a token is unknown or the moment is none. */
export function said(seconds, tokens, moment = now()) {
  if (!/^\d+$/.test(String(seconds)) || Number(seconds) > LATEST) return null;
  if (!/\{[a-z_]+\}/.test(tokens)) return null;
  const date = new Date(Number(seconds) * 1000);
  let known = true;
  const text = tokens.replace(/\{([^{}]*)\}/g, (whole, token, at) => {
    if (Object.hasOwn(plain, token)) return plain[token](date, moment);
    const [, longer] = /^(date(?:_short|_long)?)_pretty$/.exec(token) ?? [];
    if (!longer) {
      known = false;
      return whole;
    }
    const near = relativeDay(date, moment);
    if (!near) return plain[longer](date, moment);
    return at === 0 ? near[0].toUpperCase() + near.slice(1) : near;
  });
  return known ? text : null;
}

/** A `<time>` that stays right. `title` is what the pointer shows. */
export function timeElement(seconds, tokens, title) {
  const text = said(seconds, tokens);
  if (text === null) return null;
  return el("time", {
    className: "slack-date",
    dateTime: new Date(Number(seconds) * 1000).toISOString(),
    title: title ?? FULL.format(Number(seconds) * 1000),
    data: { seconds: String(Math.floor(seconds)), tokens },
  }, text);
}

/** When a message was written: the time today, else the day as well. */
export function stamp(ts) {
  const seconds = Math.floor(Number(ts));
  const made = timeElement(seconds, stampTokens(seconds));
  if (made) made.dataset.stamp = "";
  return made;
}

function stampTokens(seconds) {
  const today = dayKey(new Date(seconds * 1000)) === dayKey(new Date(now() * 1000));
  return today ? "{time}" : "{date_short_pretty} {time}";
}

let drawnDay = "";
let drawnMinute = 0;

/** Keep the dates below `root` right as the clock runs. */
export function keepDates(root) {
  everyTick((moment) => {
    const day = dayKey(new Date(moment * 1000));
    const minute = Math.floor(moment / 60);
    const newDay = day !== drawnDay;
    if (!newDay && minute === drawnMinute) return;
    drawnDay = day;
    drawnMinute = minute;
    const stale = root.querySelectorAll(newDay ? "time[data-tokens]" : 'time[data-tokens*="{ago}"]');
    for (const element of stale) {
      const seconds = Number(element.dataset.seconds);
      if ("stamp" in element.dataset) element.dataset.tokens = stampTokens(seconds);
      const text = said(seconds, element.dataset.tokens, moment);
      if (text !== null && text !== element.textContent) element.textContent = text;
    }
  });
}

function dayKey(date) {
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function relativeDay(date, moment) {
  const today = new Date(moment * 1000);
  const key = dayKey(date);
  // Noon, because a day may have 23 or 25 hours.
  const noon = (days) => dayKey(new Date(today.getFullYear(), today.getMonth(), today.getDate() + days, 12));
  if (key === noon(0)) return "today";
  if (key === noon(-1)) return "yesterday";
  return key === noon(1) ? "tomorrow" : "";
}

function ordinal(day) {
  const teen = day > 10 && day < 14;
  return `${day}${(!teen && { 1: "st", 2: "nd", 3: "rd" }[day % 10]) || "th"}`;
}

function ago(seconds) {
  const length = Math.abs(seconds);
  const steps = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const [size, noun] = steps.find(([one]) => length >= one) ?? steps.at(-1);
  const count = Math.floor(length / size);
  const span = `${count} ${noun}${count === 1 ? "" : "s"}`;
  return seconds >= 0 ? `${span} ago` : `in ${span}`;
}

/** Browsers put a narrow no-break space before AM; Slack shows a plain blank. */
const spaced = (text) => text.replace(/\u202f/g, " ");
