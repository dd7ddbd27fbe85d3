// Puts the page together, then listens to the server.
import { attempt } from "./attempt.js";
import { listen, on } from "./feed.js";
import { mountLanguage, say, translatePage } from "./language.js";
import { mountChain } from "./chain.js";
import { mountChannelLanguage } from "./channel-language.js";
import { mountClock } from "./clock.js";
import { mountConsole } from "./console.js";
import { mountFaults } from "./faults.js";
import { mountSlack } from "./slack.js";
import { mountTheme } from "./theme.js";
import { mountTour } from "./tour.js";
import { mountWire } from "./wire.js";

const LOST_AFTER = 1500; // a break that heals at once is not worth a word

const place = (id) => document.getElementById(id);

translatePage();
mountLanguage(place("language-button"));
mountTheme(place("theme-button"));
mountChain(place("chain"));
// The clock first: others ask it for the time when `state` comes.
mountClock(place("clock"));
mountChannelLanguage(place("channel-language"));
mountSlack(place("slack-root"));
mountConsole(place("console"));
mountFaults(place("faults"));
mountWire(place("wire-root"));
mountTour(place("tour"), place("tour-button"));
place("start-over-button").addEventListener("click", () => attempt(place("start-over-trouble"), "start-over"));
sendZone(place("start-over-trouble"));
watchLink(place("link-lost"));
listen();

/** Run the bot in the time zone of this browser, which the dates in the page are in as well. */
function sendZone(line) {
  on("state", (state) => {
    const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
    if (timeZone && timeZone !== state.zone) attempt(line, "zone", { name: timeZone });
  });
}

/** Say when the server is gone, and take it back when it is there again. */
function watchLink(banner) {
  let timer = 0;
  on("link", (there) => {
    clearTimeout(timer);
    if (there) banner.textContent = "";
    else {
      timer = setTimeout(() => {
        banner.textContent = say("The playground does not answer. Is `make demo` still running? Trying again.");
      }, LOST_AFTER);
    }
  });
}
