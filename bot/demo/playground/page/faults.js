// What can be broken: WeChat, Slack, and the bot itself.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { attempt, troubleLine } from "./attempt.js";
import { botWords } from "./chain.js";
import { BETWEEN, say, term } from "./language.js";

// value, label, and what to expect then
const FAULTS = {
  wechat: [
    ["none", say("works"), ""],
    ["slow", say("slow"), say("WeChat takes its time. Answers to /kf come late, and none is lost.")],
    ["down", term("fault", "down"), say("WeChat does not answer. Deadlines are still told: they go by the clock.")],
    [
      "40164",
      say("40164, address not allowed"),
      say("WeChat refuses the bot's address. /kf says which one to allow."),
    ],
    ["45009", say("45009, quota used up"), say("WeChat refuses more calls today. /kf says why, and what to do.")],
    [
      "answer lost",
      say("response lost after WeChat accepted"),
      say("WeChat carries a change out, and its answer is lost. The bot reads the list instead of repeating it."),
    ],
    [
      "list lags",
      say("list lags"),
      say("WeChat accepts a change, and its list shows it later. The bot says so, and waits for the list."),
    ],
    [
      "not deleted",
      say("answers 0 and deletes nothing"),
      say("WeChat accepts a deletion, and keeps the account. The bot believes the list."),
    ],
    [
      "expired token",
      say("expired token, once"),
      say("The token expires before its time. The bot gets a new one by itself."),
    ],
  ],
  slack: [
    ["none", say("works"), ""],
    ["429", say("429, too many requests"), say("Slack asks to wait. Alerts come later, in order.")],
    [
      "reply lost",
      say("reply lost"),
      say("Slack posts, and its answer is lost. The bot looks before it posts again."),
    ],
    ["down", term("fault", "down"), say("Slack does not answer. What there is to tell waits in the bot's store.")],
  ],
};

const ONCE_SHOWN = 6000;

/** Show the two choices of faults and the button that kills the bot. */
export function mountFaults(root) {
  const line = troubleLine();
  const choose = async (side, name) => {
    if (await attempt(line, "fault", { side, name })) asked(side, name);
    else show();
  };
  const sides = [choice("wechat", say("WeChat"), choose), choice("slack", "Slack", choose)];
  const expect = el("p", { className: "hint faults-expect", attrs: { role: "status" } });
  const kill = el("button", {
    type: "button",
    className: "button danger",
    aria: { describedby: "kill-hint" },
    onclick: async () => {
      kill.disabled = true;
      await attempt(line, "bot.kill");
      kill.disabled = false;
      // A disabled button drops the focus.
      if (document.activeElement === document.body) kill.focus();
    },
  }, say("Kill the bot"));
  const now = el("span", { aria: { label: say("State of the bot") }, attrs: { role: "note" } });
  const hint = el("p", { className: "hint faults-kill" },
    el("span", { id: "kill-hint" }, say("It ends at once and starts again. No alert is lost or told twice.")), now);
  fill(
    root,
    el("h3", { className: "sr-only" }, say("Break something")),
    el("div", { className: "faults-row" }, sides.map((side) => side.field), kill),
    expect,
    hint,
    line,
  );
  root.classList.add("faults");

  let current = { wechat: "none", slack: "none" };
  // A fault that happens once is over at once for the server; the page still explains it for a while.
  let once = "";
  let timer = 0;
  function show() {
    const told = once ? [once] : [];
    for (const side of sides) {
      const fault = current[side.name];
      side.select.value = fault;
      side.field.classList.toggle("faulty", fault !== "none");
      if (fault !== "none") told.push(expectation(side.name, fault));
    }
    const text = told.join(BETWEEN);
    if (expect.textContent !== text) expect.textContent = text;
  }
  function asked(side, fault) {
    clearTimeout(timer);
    once = current[side] === fault ? "" : expectation(side, fault);
    if (once) timer = setTimeout(() => asked(side, current[side]), ONCE_SHOWN);
    show();
  }
  const showBot = (bot) => {
    now.textContent = botWords(bot);
  };
  on("state", (state) => {
    current = state.faults;
    show();
    showBot(state.bot);
  });
  on("bot", showBot);
  on("faults", (faults) => {
    current = faults;
    if (Object.values(faults).some((fault) => fault !== "none")) once = "";
    show();
  });
}

function expectation(side, fault) {
  return FAULTS[side].find(([value]) => value === fault)?.[2] ?? "";
}

function choice(name, label, chosen) {
  const select = el("select", {
    id: `fault-${name}`,
    className: "select",
    onchange: () => chosen(name, select.value),
  }, FAULTS[name].map(([value, text]) => el("option", { value }, text)));
  const field = el("div", { className: "fault" }, el("label", { htmlFor: select.id }, label), select);
  return { name, select, field };
}
