// Puts the page together, then listens to the server.
import { listen, on } from "./feed.js";
import { mountChain } from "./chain.js";
import { mountClock } from "./clock.js";
import { mountConsole } from "./console.js";
import { mountFaults } from "./faults.js";
import { mountSlack } from "./slack.js";
import { mountTheme } from "./theme.js";
import { mountTour } from "./tour.js";
import { mountWire } from "./wire.js";

const LOST_AFTER = 1500; // a break that heals at once is not worth a word

const place = (id) => document.getElementById(id);

mountTheme(place("theme-button"));
mountChain(place("chain"));
// The clock first: others ask it for the time when `state` comes.
mountClock(place("clock"));
mountSlack(place("slack-root"));
mountConsole(place("console"));
mountFaults(place("faults"));
mountWire(place("wire-root"));
mountTour(place("tour"), place("tour-button"));
watchLink(place("link-lost"));
listen();

/** Say when the server is gone, and take it back when it is there again. */
function watchLink(banner) {
  let timer = 0;
  on("link", (there) => {
    clearTimeout(timer);
    if (there) banner.textContent = "";
    else {
      timer = setTimeout(() => {
        banner.textContent = "The playground does not answer. Is `make demo` still running? Trying again.";
      }, LOST_AFTER);
    }
  });
}
