// One account as a row of the table. A row is made once and changed in place, so that the focus stays where it is.
import { el } from "./dom.js";
import { say } from "./language.js";
import { span } from "./times.js";

const DAY = 86400;
const WORDS = {
  waiting: ["✉️", say("waiting")],
  rejected: ["⛔", say("rejected")],
  expired: ["⌛", say("expired")],
  idle: ["⚪", say("idle")],
  bound: ["✅", say("bound")],
  unknown: ["❔", say("unknown")],
};

// name of the action, what the button says, in which states it makes sense
const ACTIONS = [
  ["accept", say("Accept"), ["waiting"]],
  ["reject", say("Reject"), ["waiting"]],
  ["expire", say("Let expire"), ["waiting"]],
  ["withdraw", say("Withdraw"), ["waiting"]],
  ["invite", say("Invite…"), ["rejected", "expired", "idle"]],
  ["unbind", say("Unbind"), ["bound"]],
  ["remove", say("Remove"), Object.keys(WORDS)],
];

// What a button's words alone do not say.
const TITLES = { expire: say("WeChat calls it expired now, whatever its deadline says.") };

/** The name that people know an account by. */
export function nameOf(seat) {
  return seat.kf_nick || seat.kf_account || seat.key;
}

/** How an account's invitation stands at a moment: icon, word, and a line on the time or nothing. */
export function standing(seat, now) {
  let [icon, word] = WORDS[seat.state] ?? WORDS.unknown;
  let time = "";
  if (seat.deadline && seat.state === "waiting") {
    const left = seat.deadline - now;
    if (left < DAY) icon = "⏰";
    time = left > 0 ? say("{time} left", { time: span(left) }) : say("past its deadline");
  } else if (seat.deadline && seat.state === "expired" && seat.deadline < now) {
    time = say("{time} ago", { time: span(now - seat.deadline) });
  }
  return { icon, word, time };
}

/**
 * Make a row. `press(action, seat, button)` is called for its buttons.
 * @returns {{element, show(seat, now), tick(now), text: string, seat}}
 */
export function makeRow(press) {
  const icon = el("span", { className: "seat-icon", aria: { hidden: "true" } });
  const word = el("span", { className: "seat-word" });
  const time = el("span", { className: "seat-time" });
  const name = el("bdi", { className: "seat-name" });
  const account = el("bdi", { className: "seat-account" });
  const role = el("span", { className: "seat-role" });
  const person = el("bdi", { className: "seat-person" });
  const line = el("div", { className: "seat-actions", attrs: { role: "group" } });
  const trouble = el("p", { className: "trouble", attrs: { role: "alert" } });
  const buttons = new Map();
  const element = el("tr", { attrs: { role: "row" } },
    cell("state", el("div", { className: "seat-standing" }, icon, el("span", {}, word, time))),
    el("th", { scope: "row", className: "cell-account", attrs: { role: "rowheader" } }, name, account),
    cell("person", person, role),
    cell("actions", line, trouble),
  );
  const row = { element, trouble, seat: null, text: "", show, tick };

  function tick(now) {
    const said = standing(row.seat, now);
    put(icon, said.icon);
    put(word, said.word);
    put(time, said.time);
    element.classList.toggle("soon", said.icon === "⏰");
  }

  function show(seat, now) {
    const before = row.seat?.state;
    row.seat = seat;
    row.text = [seat.state, seat.kf_nick, seat.kf_account, seat.kf_id, seat.kf_wx, seat.invite_wx]
      .join(" ").toLowerCase();
    element.dataset.key = seat.key;
    element.dataset.state = seat.state;
    put(name, nameOf(seat));
    put(account, seat.kf_account ?? "");
    const who = seat.state === "bound" ? seat.kf_wx : seat.invite_wx;
    put(role, who && seat.state !== "bound" ? say("invited") : "");
    put(person, who || say("nobody"));
    person.classList.toggle("nobody", !who);
    line.setAttribute("aria-label", say("Actions for {name}", { name: nameOf(seat) }));
    showButtons(seat);
    tick(now);
    if (before && before !== seat.state) flash(element);
  }

  function showButtons(seat) {
    const focused = document.activeElement;
    const lost = line.contains(focused);
    for (const [action, label, states] of ACTIONS) {
      const wanted = states.includes(seat.state);
      let button = buttons.get(action);
      if (wanted && !button) {
        const title = TITLES[action] ?? "";
        button = el("button", { type: "button", className: "button small", title, data: { action } }, label);
        button.addEventListener("click", () => press(action, row, button));
        buttons.set(action, button);
        // In the order of the list, whatever was there before.
        const later = ACTIONS.slice(ACTIONS.findIndex(([one]) => one === action) + 1)
          .map(([one]) => buttons.get(one)).find(Boolean);
        line.insertBefore(button, later ?? null);
      } else if (!wanted && button) {
        button.remove();
        buttons.delete(action);
      }
      // The words on the button come first, for those who speak to their machine.
      if (wanted) button.setAttribute("aria-label", `${label} ${nameOf(seat)}`);
    }
    if (lost && !focused.isConnected) line.querySelector("button")?.focus({ preventScroll: true });
  }

  return row;
}

function cell(name, ...children) {
  return el("td", { className: `cell-${name}`, attrs: { role: "cell" } }, children);
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Show for a moment that something changed here. */
function flash(element) {
  element.classList.remove("changed");
  requestAnimationFrame(() => element.classList.add("changed"));
}
