// How moments and spans are said: by the playground's clock, in the browser's time zone.

const MINUTE = 60, HOUR = 3600, DAY = 86400;

/** `41 min`, `2 h 10 min`, `29 h`, `3 days`: as exact as it matters. */
export function span(seconds) {
  const left = Math.max(0, Math.round(seconds));
  if (left < MINUTE) return `${left} s`;
  if (left < 3 * MINUTE && left % MINUTE) return `${Math.floor(left / MINUTE)} min ${left % MINUTE} s`;
  if (left < HOUR) return `${Math.floor(left / MINUTE)} min`;
  const minutes = Math.floor((left % HOUR) / MINUTE);
  if (left < 4 * HOUR && minutes) return `${Math.floor(left / HOUR)} h ${minutes} min`;
  if (left < 2 * DAY) return `${Math.floor(left / HOUR)} h`;
  return `${Math.floor(left / DAY)} days`;
}

const DATE = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const SHORT = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const LONG = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** `Mon, 23 Nov` */
export const day = (seconds) => DATE.format(seconds * 1000);
/** `21:14` */
export const minute = (seconds) => SHORT.format(seconds * 1000);
/** `21:14:05` */
export const second = (seconds) => LONG.format(seconds * 1000);
