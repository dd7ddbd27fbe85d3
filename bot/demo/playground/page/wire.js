// The wire: each request and answer between Slack, the bot and WeChat, newest first.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { count as counted, say } from "./language.js";
import { second } from "./times.js";

const KEPT = 300;
const NAMES = { slack: "Slack", bot: say("bot"), wechat: say("WeChat") };

/** Show the wire in an element. */
export function mountWire(root) {
  let rows = []; // oldest first
  let last = 0; // the number of the newest entry drawn
  let began = 0; // when the playground did that the rows are of
  let queue = [];
  let drawing = 0;
  let paused = false;
  let polls = 1; // equal polls in a row count as one line: one for each Official Account

  const text = el("input", {
    type: "search", className: "input wire-filter", placeholder: say("Filter: rejected, chat.update, 429 …"),
    autocomplete: "off", aria: { label: say("Filter the wire") }, oninput: () => sieve(),
  });
  const parties = { slack: toggle("Slack", true), wechat: toggle(say("WeChat"), true) };
  const onlyFailed = toggle(say("Only failed"), false);
  const pause = el("button", {
    type: "button", className: "button small", aria: { pressed: "false" },
    onclick: () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      if (paused) sayPause();
      else draw();
    },
  }, say("Pause"));
  const list = el("div", { className: "wire-list", tabIndex: 0, attrs: { role: "region" },
    aria: { label: say("Requests and answers, newest first") } });
  const none = el("p", { className: "hint wire-none" }, say("Nothing yet. Type /kf in Slack and look here again."));
  fill(root,
    el("div", { className: "wire-tools" }, text,
      el("div", { className: "wire-toggles", attrs: { role: "group" }, aria: { label: say("What to show") } },
        Object.values(parties), onlyFailed), pause),
    none, list);
  root.classList.add("wire");

  function toggle(label, pressed) {
    const button = el("button", {
      type: "button", className: "button small", aria: { pressed: String(pressed) },
      onclick: () => {
        button.setAttribute("aria-pressed", String(!isOn(button)));
        sieve();
      },
    }, label);
    return button;
  }
  function isOn(button) {
    return button.getAttribute("aria-pressed") === "true";
  }

  function sayPause() {
    pause.textContent = queue.length ? say("Paused, {number} held", { number: queue.length }) : say("Paused");
  }

  // Many may come in a moment: they are drawn together, once a frame.
  function heard(entries) {
    queue.push(...entries);
    if (queue.length > KEPT) queue = queue.slice(-KEPT);
    if (paused) sayPause();
    else if (!drawing) drawing = requestAnimationFrame(draw);
  }

  function draw() {
    drawing = 0;
    pause.textContent = say("Pause");
    const fresh = document.createDocumentFragment();
    for (const entry of queue) {
      if (entry.id <= last) continue;
      last = entry.id;
      if (rows.slice(-polls).some((row) => row.again(entry))) continue;
      const row = wireRow(entry);
      row.element.hidden = !fits(row);
      rows.push(row);
      fresh.prepend(row.element);
    }
    queue = [];
    list.prepend(fresh);
    for (const row of rows.splice(0, Math.max(0, rows.length - KEPT))) row.element.remove();
    sayNone();
  }

  function fits({ entry, words }) {
    const wanted = text.value.trim().toLowerCase();
    const party = entry.from === "bot" ? entry.to : entry.from;
    if (parties[party] && !isOn(parties[party])) return false;
    if (isOn(onlyFailed) && !failed(entry)) return false;
    return !wanted || words().includes(wanted);
  }

  function sieve() {
    for (const row of rows) row.element.hidden = !fits(row);
    sayNone();
  }

  function sayNone() {
    const shown = rows.some((row) => !row.element.hidden);
    none.hidden = shown;
    if (rows.length) none.textContent = say("Nothing fits the filter.");
    list.hidden = !shown;
  }

  on("state", (state) => {
    // After a lost connection all requests come again, and those that are shown stay. But a restarted playground
    // counts from the beginning.
    if (state.began !== began) {
      began = state.began;
      rows = [];
      queue = [];
      last = 0;
      fill(list);
    }
    polls = state.accounts.length;
    root.classList.toggle("several", polls > 1); // requests to WeChat name the account
    heard([...state.wire].sort((one, other) => one.id - other.id));
  });
  on("wire", (entry) => heard([entry]));
}

function failed(entry) {
  return entry.status === null || entry.status >= 400 || Boolean(entry.error);
}

/** One exchange, or several in a row that are the same: a line that unfolds to both JSON texts. */
function wireRow(first) {
  const line = el("summary");
  const body = el("div", { className: "wire-body" });
  const element = el("details", { className: "wire-row" }, line, body);
  const same = essence(first);
  const row = { element, entry: first, words, again };
  let count = 1;

  /** Everything in lower case, for the filter. */
  function words() {
    return same.toLowerCase();
  }

  /** Take one more, if it is the same as this. The bot looks at WeChat often, and mostly nothing is new. */
  function again(entry) {
    if (essence(entry) !== same) return false;
    row.entry = entry;
    count += 1;
    show();
    return true;
  }

  function show() {
    const { at, from, to, name, status, ms } = row.entry;
    fill(line,
      el("span", { className: "wire-at" }, second(at)),
      el("span", { className: "wire-way" }, party(from), el("span", { className: "wire-to" }, " → "), party(to)),
      el("span", { className: "wire-name" }, name,
        count > 1 && el("span", { className: "wire-count" }, ` ×${count}`)),
      el("span", { className: "wire-status" }, status === null ? say("no answer") : String(status)),
      el("span", { className: "wire-ms" }, ms === null ? "" : `${duration(ms)} ms`),
      el("span", { className: "wire-gist" }, gist(row.entry)));
  }

  element.classList.toggle("failed", failed(first));
  element.dataset.name = first.name;
  element.addEventListener("toggle", () => {
    const { request, response } = row.entry;
    fill(body, element.open ? [
      jsonPart(say("Request"), say("Request as JSON"), request),
      jsonPart(say("Answer"), say("Answer as JSON"), response),
    ] : []);
  });
  show();
  return row;
}

/** What it was about, in a few words: the error, else the text of a message, the title of a window, an account. */
function gist({ status, error, request, response }) {
  if (error) return status === null && error === "no answer" ? "" : error;
  if (typeof request?.text === "string") return request.text.slice(0, 200);
  if (request?.view?.title) return request.view.title.text;
  if (request?.kf_account) return [request.kf_account, request.invite_wx ?? request.nickname].filter(Boolean).join(" · ");
  const accounts = response?.kf_list?.length;
  return accounts === undefined ? "" : counted("{number} account", "{number} accounts", accounts);
}

function essence({ from, to, name, status, error, request, response }) {
  const texts = [JSON.stringify(request), JSON.stringify(response)];
  return [from, to, name, status ?? "no answer", error, ...texts].join(" ");
}

function party(name) {
  return el("span", { className: `party ${name in NAMES ? `of-${name}` : ""}` }, NAMES[name] ?? name);
}

function duration(ms) {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms));
}

function jsonPart(title, label, value) {
  const text = value === null || value === undefined ? say("nothing") : JSON.stringify(value, null, 2);
  return el("div", { className: "wire-part" }, el("h3", {}, title), el("pre", { tabIndex: 0,
    attrs: { role: "region" }, aria: { label } }, text));
}
