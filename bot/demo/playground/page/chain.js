// The header's picture of what there is: Slack, the bot, WeChat, and how each of them is now.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { count, say, term } from "./language.js";

const BOT_WORDS = { starting: say("starting"), running: say("running"), down: term("bot", "down") };
const FAULT_WORDS = {
  slow: say("slow"), down: term("fault", "down"), "reply lost": say("reply lost"), "answer lost": say("reply lost"),
  "list lags": say("list lags"), "not deleted": say("nothing deleted"),
};

/** The state of the bot in words: `running · restarted 2 times`, or why it was restarted if a person asked for that. */
export function botWords({ state, restarts, reason }) {
  const crashes = restarts ? count("restarted once", "restarted {number} times", restarts) : "";
  return [BOT_WORDS[state] ?? state, reason ? say(reason) : crashes].filter(Boolean).join(" · ");
}

/** Draw the chain, and keep the bot's state and the faults in it. */
export function mountChain(root) {
  const slack = stop("slack", "Slack", say("simulated"));
  const wechat = stop("wechat", say("WeChat"), say("simulated"));
  const bot = stop("bot", say("The bot"), "…");
  bot.state.setAttribute("role", "status");
  fill(root, slack.box, arrows(), bot.box, arrows(), wechat.box);

  const showBot = (now) => {
    const text = botWords(now);
    if (bot.state.textContent !== text) bot.state.textContent = text;
    bot.box.dataset.state = now.state;
  };
  const showFaults = (faults) => {
    for (const [end, fault] of [[slack, faults.slack], [wechat, faults.wechat]]) {
      end.state.textContent = fault === "none" ? say("simulated") : say("fault: {name}", { name: FAULT_WORDS[fault] ?? fault });
      end.box.classList.toggle("faulty", fault !== "none");
    }
  };
  on("state", (state) => {
    showBot(state.bot);
    showFaults(state.faults);
  });
  on("bot", showBot);
  on("faults", showFaults);
}

function stop(party, name, text) {
  const state = el("span", { className: "chain-state" }, text);
  return { state, box: el("div", { className: `chain-stop of-${party}` }, el("strong", {}, name), state) };
}

function arrows() {
  return el("span", { className: "chain-arrows", aria: { hidden: "true" } }, "⇄");
}
