// What was typed before, for the arrow keys. The browser's tab remembers it.

const KEY = "kf-typed";
const MOST = 50;

/** A history to walk through: `older()` and `newer()` give a text, or null at the ends. */
export function history() {
  let texts = load();
  let at = texts.length;
  let draft = "";
  return {
    add(text) {
      texts = [...texts.filter((one) => one !== text), text].slice(-MOST);
      at = texts.length;
      draft = "";
      try {
        sessionStorage.setItem(KEY, JSON.stringify(texts));
      } catch {
        // Storage may be closed to the page: then it is forgotten with the page.
      }
    },
    older(current) {
      if (at === texts.length) draft = current;
      if (at === 0) return null;
      at -= 1;
      return texts[at];
    },
    newer() {
      if (at >= texts.length) return null;
      at += 1;
      return at === texts.length ? draft : texts[at];
    },
  };
}

function load() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}
