// Who is who in the workspace, and who looks at it.

const names = { person: {}, group: {}, channel: {} };
let bot = { id: "", name: "KF" };
let viewer = "";

/** Take the names out of the server's snapshot. */
export function learnNames(state) {
  names.person = { ...state.people, [state.bot_user]: state.bot_name };
  names.group = state.groups ?? {};
  names.channel = Object.fromEntries(state.channels.map(({ id, name }) => [id, name]));
  bot = { id: state.bot_user, name: state.bot_name };
  if (!Object.hasOwn(state.people, viewer)) viewer = Object.keys(state.people)[0] ?? "";
}

/** The name behind an ID (`kind`: person, group, channel), or "". */
export function nameOf(kind, id) {
  return Object.hasOwn(names[kind], id) ? names[kind][id] : "";
}

export const theBot = () => bot;

/** The person who looks, types and clicks. */
export const theViewer = () => viewer;

export function setViewer(id) {
  viewer = id;
}
