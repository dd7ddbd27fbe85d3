// Who is who in the workspace, and who looks at it: the tab remembers the person that was chosen.
import { isChinese, language } from "./language.js";

const KEY = "kf-viewer";

const names = { person: {}, group: {}, channel: {} };
let bot = { id: "", name: "KF" };
let people = {}; // by ID: { name, locale, tz }
let viewer = recall();

/** Take the names out of the server's snapshot. */
export function learnNames(state) {
  people = state.people;
  const named = Object.entries(people).map(([id, { name }]) => [id, name]);
  names.person = { ...Object.fromEntries(named), [state.bot_user]: state.bot_name };
  names.group = state.groups ?? {};
  names.channel = Object.fromEntries(state.channels.map(({ id, name }) => [id, name]));
  bot = { id: state.bot_user, name: state.bot_name };
  if (!Object.hasOwn(people, viewer)) viewer = first();
}

/** The name behind an ID (`kind`: person, group, channel), or "". */
export function nameOf(kind, id) {
  return Object.hasOwn(names[kind], id) ? names[kind][id] : "";
}

export const theBot = () => bot;

/** The person who looks, types and clicks. */
export const theViewer = () => viewer;

/** The language of their Slack, as an IETF tag. */
export const localeOfViewer = () => people[viewer]?.locale ?? "en-US";

/** The time zone of their Slack; undefined is the browser's. */
export const zoneOfViewer = () => people[viewer]?.tz || undefined;

export function setViewer(id) {
  viewer = id;
  try {
    sessionStorage.setItem(KEY, id);
  } catch {
    // Then it lasts as long as the page.
  }
}

/** The first person whose Slack is in the language of the page. */
function first() {
  const ids = Object.keys(people);
  return ids.find((id) => isChinese(people[id].locale) === (language === "zh")) ?? ids[0] ?? "";
}

function recall() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
