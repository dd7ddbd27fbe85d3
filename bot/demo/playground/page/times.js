// How moments and spans are said: by the playground's clock, in the browser's time zone.
import { language, say } from "./language.js";

const MINUTE = 60, HOUR = 3600, DAY = 86400;

/** `41 min`, `2 h 10 min`, `29 h`, `3 days`: as exact as it matters. */
export function span(seconds) {
  const left = Math.max(0, Math.round(seconds));
  const days = Math.floor(left / DAY), hours = Math.floor(left / HOUR);
  if (left < MINUTE) return say("{seconds} s", { seconds: left });
  if (left < HOUR) {
    const minutes = Math.floor(left / MINUTE), rest = left % MINUTE;
    if (left < 3 * MINUTE && rest) return say("{minutes} min {seconds} s", { minutes, seconds: rest });
    return say("{minutes} min", { minutes });
  }
  const minutes = Math.floor((left % HOUR) / MINUTE);
  if (left < 4 * HOUR && minutes) return say("{hours} h {minutes} min", { hours, minutes });
  return left < 2 * DAY ? say("{hours} h", { hours }) : say("{days} days", { days });
}

const LOCALE = { en: "en-GB", zh: "zh-CN" }[language];
const DATE = new Intl.DateTimeFormat(LOCALE, { weekday: "short", day: "numeric", month: "short" });
const SHORT = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const LONG = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** `Mon, 23 Nov`, `11月23日 周一` */
export const day = (seconds) => DATE.format(seconds * 1000).replace(/(?<=日)(?=周)/, " ");
/** `21:14` */
export const minute = (seconds) => SHORT.format(seconds * 1000);
/** `21:14:05` */
export const second = (seconds) => LONG.format(seconds * 1000);
