// The few emoji codes that are drawn; any other stays as it is written.

const KNOWN = {
  alarm_clock: "⏰", no_entry: "⛔", hourglass: "⌛", grey_question: "❔", envelope: "✉️", white_circle: "⚪",
  white_check_mark: "✅", heavy_minus_sign: "➖", warning: "⚠️", bust_in_silhouette: "👤", tada: "🎉", wave: "👋",
  thumbsup: "👍", "+1": "👍", thumbsdown: "👎", "-1": "👎", eyes: "👀", rocket: "🚀", smile: "😄", heart: "❤️",
  fire: "🔥", bell: "🔔", no_bell: "🔕", pray: "🙏", x: "❌",
};

/** Draw the codes that are known: `:tada:` becomes 🎉. */
export function withEmoji(text) {
  return text.replace(/:([a-z0-9_+-]+):/g, (code, name) => (Object.hasOwn(KNOWN, name) ? KNOWN[name] : code));
}
