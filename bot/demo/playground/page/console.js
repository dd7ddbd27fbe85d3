// The WeChat console: the accounts of the Official Account as a table, with the actions of an operator and of the invited person.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { attempt, troubleLine } from "./attempt.js";
import { makeAuthorization } from "./authorization.js";
import { everyTick, now } from "./clock.js";
import { confirmed } from "./dialog.js";
import { askForAccount, askForInvitation } from "./invite.js";
import { count as counted, say } from "./language.js";
import { makeRow, nameOf } from "./seat-row.js";
import { segments } from "./segments.js";

const COLUMNS = [say("State"), say("Account"), say("Person"), say("Actions")];

/** Show the console in an element. */
export function mountConsole(root) {
  const rows = new Map(); // of the chosen Official Account, by key
  let accounts = []; // the Official Accounts: { appid, name }
  let chosen = ""; // the AppID of one
  let all = []; // the accounts of all of them
  const line = troubleLine();
  const authorization = makeAuthorization(line);
  const presets = el("div", { className: "presets", attrs: { role: "group" },
    aria: { label: say("Fill the console") } });
  const choice = el("div", { className: "console-choice" });
  const filter = el("input", {
    type: "search", className: "input console-filter", placeholder: say("Filter accounts"), autocomplete: "off",
    aria: { label: say("Filter accounts") }, oninput: () => sieve(),
  });
  const count = el("span", { className: "hint console-count", attrs: { role: "status" } });
  const add = el("button", { type: "button", className: "button", onclick: () => askForAccount(chosen) },
    say("Add account…"));
  const body = el("tbody", { attrs: { role: "rowgroup" } });
  const none = el("p", { className: "console-none hint" });
  const table = el("table", { className: "seats", attrs: { role: "table" }, aria: { label: say("Accounts") } },
    el("thead", { attrs: { role: "rowgroup" } },
      el("tr", { attrs: { role: "row" } }, COLUMNS.map((name) =>
        el("th", { scope: "col", attrs: { role: "columnheader" } }, name)))),
    body);
  const scroller = el("div", { className: "seats-scroll" }, table, none);
  fill(root, presets, choice, authorization.element, el("div", { className: "console-tools" }, filter, count, add), line, scroller);
  root.classList.add("console");

  async function press(action, row, button) {
    const { seat } = row;
    if (action === "invite") {
      await askForInvitation(seat);
      // The button may be gone by now; then the dialog could not give the focus back.
      if (!button.isConnected && document.activeElement === document.body) focusRow(row);
      return;
    }
    if (action === "remove") {
      const sure = await confirmed({
        title: say("Remove {name}?", { name: nameOf(seat) }),
        text: seat.kf_account
          ? say("{account} is taken from the Official Account.", { account: seat.kf_account })
          : say("The account is taken from the Official Account."),
        yes: say("Remove"), no: say("Keep"), danger: true,
      });
      if (!sure) return;
    }
    button.setAttribute("aria-busy", "true");
    await attempt(row.trouble, `wechat.${action}`, { account: seat.account, key: seat.key });
    button.removeAttribute("aria-busy");
  }

  function focusRow(row) {
    (row?.element.querySelector("button") ?? filter).focus();
  }

  /** Show the console of an Official Account. */
  function choose(appid) {
    chosen = appid;
    authorization.show(appid);
    rows.clear();
    fill(body);
    show();
  }

  /** Draw the choice, if there is one. The one that was chosen stays so. */
  function drawChoice() {
    if (accounts.length < 2) {
      fill(choice);
      return;
    }
    const one = segments({
      name: "account",
      legend: say("Official Account"),
      options: accounts.map(({ appid, name }) => ({ value: appid, label: name })),
      choose,
    });
    one.show(chosen);
    fill(choice, one.element);
  }

  function show() {
    const seats = all.filter((seat) => seat.account === chosen);
    const moment = now();
    const there = new Set(seats.map((seat) => seat.key));
    for (const [key, row] of rows) {
      if (there.has(key)) continue;
      const next = row.element.nextElementSibling ?? row.element.previousElementSibling;
      const focused = row.element.contains(document.activeElement);
      row.element.remove();
      rows.delete(key);
      if (focused) focusRow([...rows.values()].find((other) => other.element === next));
    }
    let place = body.firstElementChild;
    for (const seat of seats) {
      let row = rows.get(seat.key);
      if (!row) {
        row = makeRow(press);
        rows.set(seat.key, row);
      }
      row.show(seat, moment);
      // A row that is moved loses the focus; most of the time none is.
      if (row.element === place) place = place.nextElementSibling;
      else body.insertBefore(row.element, place);
    }
    sieve();
  }

  function sieve() {
    const wanted = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows.values()) {
      const hidden = !row.text.includes(wanted);
      if (row.element.hidden !== hidden) row.element.hidden = hidden;
      if (!hidden) shown += 1;
    }
    const text = wanted
      ? counted("{shown} of {number} account", "{shown} of {number} accounts", rows.size, { shown })
      : counted("{number} account", "{number} accounts", rows.size);
    if (count.textContent !== text) count.textContent = text;
    const nothing = rows.size
      ? say("No account matches.")
      : say("No account yet. Add one, or press a button above.");
    none.textContent = shown ? "" : nothing;
    table.hidden = shown === 0;
  }

  on("state", (state) => {
    fill(presets, (state.presets ?? []).map(({ name, label }) =>
      el("button", { type: "button", className: "button small", data: { preset: name },
        onclick: () => attempt(line, "preset", { name }) }, say(label))));
    all = state.seats;
    accounts = state.accounts;
    if (accounts.some(({ appid }) => appid === chosen)) show();
    else choose(accounts[0].appid);
    drawChoice();
  });
  on("seats", ({ seats }) => {
    all = seats;
    show();
  });
  everyTick((moment) => {
    for (const row of rows.values()) row.tick(moment);
  });
}
