// Slack's own markup, read into a tree. How the tree is drawn stands in slack-text.js.
// https://docs.slack.dev/messaging/formatting-message-text

const MARKS = { "*": "bold", "_": "italic", "~": "strike" };
const SEQUENCE = /<([^<>]+)>/y;
const CODE = /`([^`\n]+)`/y;
const ADDRESS = /https?:\/\/[^\s<>|`]+/y;
const BLOCK = /```([\s\S]+?)```/;
// What may stand beside a mark: a blank, an end, or ASCII-like punctuation. Chinese letters and signs may not.
const JOINED = /[\p{L}\p{N}\p{M}\u3001-\u303f\uff01-\uff60]/u;

/**
 * Read mrkdwn.
 * @returns {object[]} nodes `{ type, … }`: text, bold, italic, strike, quote (with `children`), code, pre (with
 * `text`), link (`url`, `text`), person, channel, group (`id`, `text`), everyone (`text`),
 * date (`seconds`, `tokens`, `url`, `fallback`).
 */
export function parse(source, { verbatim = false } = {}) {
  const nodes = [];
  let rest = source;
  for (let found = BLOCK.exec(rest); found; found = BLOCK.exec(rest)) {
    nodes.push(...lines(rest.slice(0, found.index).replace(/\n$/, ""), verbatim));
    nodes.push({ type: "pre", text: unescaped(found[1].replace(/^\n|\n$/g, "")) });
    rest = rest.slice(found.index + found[0].length).replace(/^\n/, "");
  }
  return [...nodes, ...lines(rest, verbatim)];
}

/** Undo Slack's three escapes, once. */
export function unescaped(text) {
  return text.replace(/&(amp|lt|gt);/g, (_, name) => ({ amp: "&", lt: "<", gt: ">" })[name]);
}

/** The address of a link, or "" for one that is neither http nor https. */
export function safeAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : "";
  } catch {
    return "";
  }
}

/** Lines that begin with > are a quote; >>> makes one of all that follows. */
function lines(text, verbatim) {
  if (!text) return [];
  const parts = [];
  let open = false;
  for (const line of text.split("\n")) {
    const mark = /^(>>>|&gt;&gt;&gt;|>|&gt;)/.exec(line);
    const quoted = open || mark !== null;
    if (mark && (mark[0] === ">>>" || mark[0].length > 4)) open = true;
    const content = mark ? line.slice(mark[0].length).replace(/^ /, "") : line;
    if (parts.length && parts.at(-1).quoted === quoted) parts.at(-1).text += `\n${content}`;
    else parts.push({ quoted, text: content });
  }
  return parts.flatMap(({ quoted, text: part }) => {
    const children = inline(atoms(part, verbatim), "");
    return quoted ? [{ type: "quote", children }] : children;
  });
}

/** Single characters, and nodes that no mark looks into: code, sequences, addresses. */
function atoms(text, verbatim) {
  const found = [];
  for (let at = 0; at < text.length; ) {
    const taken = opaque(text, at, verbatim);
    if (taken) {
      found.push(taken.node);
      at += taken.length;
    } else {
      const letter = String.fromCodePoint(text.codePointAt(at));
      found.push(letter);
      at += letter.length;
    }
  }
  return found;
}

function opaque(text, at, verbatim) {
  const letter = text[at];
  if (letter === "`" && free(text[at - 1])) {
    const code = sticky(CODE, text, at);
    if (code && free(text[at + code[0].length])) {
      return { node: { type: "code", text: unescaped(code[1]) }, length: code[0].length };
    }
  }
  if (letter === "<") {
    const whole = sticky(SEQUENCE, text, at);
    const node = whole && sequence(whole[1]);
    if (node) return { node, length: whole[0].length };
  }
  if (letter === "h" && !verbatim && free(text[at - 1])) {
    const [address] = sticky(ADDRESS, text, at) ?? [""];
    const bare = address.replace(/[.,;:!?'"’”*_~)\]]+$/, "");
    const url = safeAddress(unescaped(bare));
    if (url) return { node: { type: "link", url, text: unescaped(bare) }, length: bare.length };
  }
  return null;
}

function sequence(inside) {
  const bar = inside.indexOf("|");
  const body = bar < 0 ? inside : inside.slice(0, bar);
  const label = bar < 0 ? "" : unescaped(inside.slice(bar + 1));
  let found;
  if ((found = /^@([UW][A-Z0-9]+)$/.exec(body))) return { type: "person", id: found[1], text: label };
  if ((found = /^#([CG][A-Z0-9]+)$/.exec(body))) return { type: "channel", id: found[1], text: label };
  if ((found = /^!subteam\^(S[A-Z0-9]+)$/.exec(body))) return { type: "group", id: found[1], text: label };
  if ((found = /^!(here|channel|everyone)$/.exec(body))) return { type: "everyone", text: found[1] };
  if ((found = /^!date\^([^^]*)\^([^^]*)(?:\^(.*))?$/s.exec(body)) && label) {
    const [, seconds, tokens, link = ""] = found;
    return { type: "date", seconds, tokens: unescaped(tokens), url: safeAddress(unescaped(link)), fallback: label };
  }
  const url = /^https?:\/\/\S+$/i.test(body) ? safeAddress(unescaped(body)) : "";
  return url ? { type: "link", url, text: label || unescaped(body) } : null;
}

/** Find *bold*, _italic_ and ~strike~; `inside` holds the marks that are open already. */
function inline(all, inside) {
  const nodes = [];
  let text = "";
  const flush = () => {
    if (text) nodes.push({ type: "text", text: unescaped(text) });
    text = "";
  };
  for (let at = 0; at < all.length; at += 1) {
    const atom = all[at];
    const end = opens(all, at, inside) ? closing(all, at) : -1;
    if (end > 0) {
      flush();
      nodes.push({ type: MARKS[atom], children: inline(all.slice(at + 1, end), inside + atom) });
      at = end;
    } else if (typeof atom === "string") {
      text += atom;
    } else {
      flush();
      nodes.push(atom);
    }
  }
  flush();
  return nodes;
}

function opens(all, at, inside) {
  const mark = all[at];
  return Object.hasOwn(MARKS, mark) && !inside.includes(mark) && free(all[at - 1], mark) && !blank(all[at + 1]);
}

function closing(all, at) {
  const mark = all[at];
  for (let end = at + 1; end < all.length && all[end] !== "\n"; end += 1) {
    const inner = all[end - 1];
    if (all[end] === mark && inner !== mark && !blank(inner) && free(all[end + 1], mark)) return end;
  }
  return -1;
}

const blank = (atom) => atom === undefined || (typeof atom === "string" && /\s/.test(atom));
const free = (atom, mark = "`") => typeof atom !== "string" || (atom !== mark && !JOINED.test(atom));

function sticky(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
