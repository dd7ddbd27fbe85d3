// Slack's date tokens: `<!date^1795398780^{date_short_pretty} {time}|…>`, in the language and the time zone of the
// viewer's Slack. Today is the day of the playground's clock, so drawn dates are written again when that day changes.
import { el } from "./dom.js";
import { everyTick, now } from "./clock.js";
import { isChinese } from "./language.js";
import { localeOfViewer, zoneOfViewer } from "./slack-names.js";

const PLAIN = ["date", "date_short", "date_long", "time", "time_secs"];
const LATEST = 8_640_000_000_000; // seconds; what a Date can hold

const formats = new Map(); // by locale and zone

/** How the viewer's Slack writes dates. */
function ofViewer() {
  const locale = localeOfViewer();
  const zone = zoneOfViewer();
  const key = `${locale} ${zone}`;
  if (!formats.has(key)) {
    const format = (options) => {
      const { format: write } = new Intl.DateTimeFormat(locale, { timeZone: zone, ...options });
      return (date) => spaced(write(date));
    };
    formats.set(key, { ...(isChinese(locale) ? chinese : english)(format), dayKey: dayKeyIn(zone) });
  }
  return formats.get(key);
}

function english(format) {
  const month = format({ month: "long" });
  const weekday = format({ weekday: "long" });
  const number = format({ day: "numeric" });
  const year = format({ year: "numeric" });
  const date = (one) => `${month(one)} ${ordinal(Number(number(one)))}, ${year(one)}`;
  return {
    date,
    date_short: format({ month: "short", day: "numeric", year: "numeric" }),
    date_long: (one) => `${weekday(one)}, ${date(one)}`,
    time: format({ hour: "numeric", minute: "2-digit" }),
    time_secs: format({ hour: "numeric", minute: "2-digit", second: "2-digit" }),
    full: format({ dateStyle: "full", timeStyle: "long" }),
    near: { "-1": "yesterday", 0: "today", 1: "tomorrow" },
    ago: relative("en"),
  };
}

function chinese(format) {
  const date = format({ year: "numeric", month: "long", day: "numeric" });
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return {
    date,
    date_short: date,
    date_long: format({ year: "numeric", month: "long", day: "numeric", weekday: "long" }),
    time: format(clock),
    time_secs: format({ ...clock, second: "2-digit" }),
    full: format({ dateStyle: "full", timeStyle: "long" }),
    near: { "-1": "昨天", 0: "今天", 1: "明天" },
    ago: relative("zh-CN"),
  };
}

function relative(locale) {
  const writer = new Intl.RelativeTimeFormat(locale);
  return (seconds) => {
    const length = Math.abs(seconds);
    const steps = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
    const [size, unit] = steps.find(([one]) => length >= one) ?? steps.at(-1);
    return writer.format(-Math.sign(seconds) * Math.floor(length / size), unit);
  };
}

/** Write a moment by Slack's tokens; null if a token is unknown or the moment is malformed. */
export function said(seconds, tokens, moment = now()) {
  if (!/^\d+$/.test(String(seconds)) || Number(seconds) > LATEST) return null;
  if (!/\{[a-z_]+\}/.test(tokens)) return null;
  const date = new Date(Number(seconds) * 1000);
  let known = true;
  const writes = ofViewer();
  const text = tokens.replace(/\{([^{}]*)\}/g, (whole, token, at) => {
    if (token === "ago") return writes.ago(moment - date.getTime() / 1000);
    if (token === "date_num") return writes.dayKey(date);
    if (PLAIN.includes(token)) return writes[token](date);
    const [, longer] = /^(date(?:_short|_long)?)_pretty$/.exec(token) ?? [];
    if (!longer) {
      known = false;
      return whole;
    }
    const near = writes.near[daysBetween(moment, date)];
    if (!near) return writes[longer](date);
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
    title,
    data: { seconds: String(Math.floor(seconds)), tokens },
  }, text);
}

/** When a message was written: the time today, else the day as well. */
export function stamp(ts) {
  const seconds = Math.floor(Number(ts));
  if (!(seconds <= LATEST)) return null;
  const made = timeElement(seconds, stampTokens(seconds), full(seconds));
  if (made) made.dataset.stamp = "";
  return made;
}

const full = (seconds) => ofViewer().full(new Date(seconds * 1000));

function stampTokens(seconds) {
  const today = daysBetween(now(), new Date(seconds * 1000)) === 0;
  return today ? "{time}" : "{date_short_pretty} {time}";
}

/** Keep the dates below `root` right as the clock runs. Returns a function that writes all of them again. */
export function keepDates(root) {
  let drawnDay = "";
  let drawnMinute = 0;
  everyTick((moment) => {
    const day = ofViewer().dayKey(new Date(moment * 1000));
    const minute = Math.floor(moment / 60);
    const newDay = day !== drawnDay;
    if (!newDay && minute === drawnMinute) return;
    drawnDay = day;
    drawnMinute = minute;
    redraw(newDay ? "time[data-tokens]" : 'time[data-tokens*="{ago}"]', moment);
  });

  function redraw(selector, moment) {
    for (const element of root.querySelectorAll(selector)) {
      const seconds = Number(element.dataset.seconds);
      if ("stamp" in element.dataset) {
        element.dataset.tokens = stampTokens(seconds);
        element.title = full(seconds);
      }
      const text = said(seconds, element.dataset.tokens, moment);
      if (text !== null && text !== element.textContent) element.textContent = text;
    }
  }
  return () => redraw("time[data-tokens]", now());
}

/** A function that writes the day of a date in a time zone as `2026-11-23`. */
function dayKeyIn(timeZone) {
  const { format } = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  return format;
}

/** How many days of the viewer's calendar a date is after a moment. */
function daysBetween(moment, date) {
  const { dayKey } = ofViewer();
  return Math.round((Date.parse(dayKey(date)) - Date.parse(dayKey(new Date(moment * 1000)))) / 86_400_000);
}

function ordinal(day) {
  const teen = day > 10 && day < 14;
  return `${day}${(!teen && { 1: "st", 2: "nd", 3: "rd" }[day % 10]) || "th"}`;
}

/** Browsers put a narrow no-break space before AM; Slack shows a plain blank. */
const spaced = (text) => text.replace(/\u202f/g, " ");
