// App Home: the page of the app, which it publishes for each person.
// https://docs.slack.dev/surfaces/app-home
import { drawBlocks } from "./blocks.js";
import { el, fill } from "./dom.js";
import { say } from "./language.js";
import { keepingFocus, sending } from "./slack-controls.js";
import { clickInHome, openHome } from "./slack-deeds.js";
import { theBot, theViewer } from "./slack-names.js";
import { appAvatar } from "./slack-row.js";

/** Draw the Home tab, as the panel of its tab. */
export function homeView({ panelId, tabId }) {
  const homes = new Map(); // by person
  const head = el("div", { className: "slack-home-head", aria: { hidden: "true" } });
  const warning = el("p", { className: "slack-warning", attrs: { role: "alert" } });
  const body = el("div", { className: "slack-body slack-view" });
  const element = el("div", {
    id: panelId, className: "slack-home", tabIndex: 0, hidden: true,
    attrs: { role: "tabpanel" }, aria: { labelledby: tabId },
  }, head, warning, body);
  const send = sending(clickInHome, warning);

  function draw() {
    const view = homes.get(theViewer());
    fill(head, appAvatar(), el("strong", {}, theBot().name), el("span", { className: "slack-home-tab" }, say("Home")));
    keepingFocus(body, element, () => fill(body, view
      ? drawBlocks(view.blocks, send, { values: view.values })
      : el("p", { className: "slack-empty" }, say("{name} has not published a Home yet.", { name: theBot().name }))));
  }

  async function visit() {
    warning.textContent = "";
    warning.textContent = await openHome();
  }

  return {
    element,
    /** Take all Homes there are. */
    reset(all) {
      homes.clear();
      for (const { user, view } of all) homes.set(user, view);
      draw();
    },
    put({ user, view }) {
      homes.set(user, view);
      if (user === theViewer()) draw();
    },
    /** Show the Home of the chosen person, after reporting to the app that they opened it; or hide it. */
    show(visible) {
      element.hidden = !visible;
      draw();
      if (visible) visit();
    },
  };
}
