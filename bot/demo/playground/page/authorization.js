// Whether the owner of an account has authorised the bot's platform, with the way to withdraw it.
import { el, fill } from "./dom.js";
import { on } from "./feed.js";
import { attempt } from "./attempt.js";
import { confirmed } from "./dialog.js";
import { say } from "./language.js";

/** Return a line about the platform. `show(appid)` is for another account; troubles are said in `line`. */
export function makeAuthorization(line) {
  const element = el("div", { className: "console-platform" });
  let platform = { owners: [], granted: {} }; // the AppIDs of who may authorise it, and the granted sets by AppID
  let shown = "";

  async function withdraw() {
    const sure = await confirmed({
      title: say("Withdraw the authorisation?"),
      text: say("The platform loses its access at once."),
      yes: say("Withdraw authorisation"), no: say("Keep"), danger: true,
    });
    if (sure) await attempt(line, "wechat.withdraw-authorization", { account: shown });
  }

  function draw() {
    const sets = platform.granted[shown];
    if (!platform.owners.includes(shown)) {
      fill(element);
    } else if (!sets) {
      fill(element, el("span", { className: "hint" },
        say("This owner has not authorised the bot's platform. The link comes from /kf accounts link.")));
    } else {
      const text = sets.length
        ? say("This owner has authorised the bot's platform: permission set {sets}.", { sets: sets.join(", ") })
        : say("This owner has authorised the bot's platform, without any permission set.");
      fill(element, el("span", {}, text),
        el("button", { type: "button", className: "button small", onclick: withdraw }, say("Withdraw…")));
    }
  }

  function update(present) {
    platform = present;
    draw();
  }

  on("state", (state) => update(state.platform));
  on("platform", update);
  return {
    element,
    show(appid) {
      shown = appid;
      draw();
    },
  };
}
