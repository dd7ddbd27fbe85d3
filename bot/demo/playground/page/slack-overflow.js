// The overflow menu: three dots that open a list. It lies above everything, so that no row cuts it off.
import { el } from "./dom.js";
import { say } from "./language.js";
import { agreed } from "./slack-confirm.js";
import { safeAddress } from "./mrkdwn.js";
import { Malformed, plainString } from "./slack-text.js";

let made = 0; // for ids

/** Draw an overflow element. */
export function overflow(element, { send }) {
  if (!Array.isArray(element.options) || !element.options.length) throw new Malformed(say("it has no options"));
  made += 1;
  const id = `slack-overflow-${made}`;
  const items = element.options.map((option) => {
    const label = plainString(option.text, say("the text of an option"));
    const url = option.url ? safeAddress(option.url) : "";
    if (option.url && !url) throw new Malformed(say("an address is neither http nor https"));
    return el("button", {
      type: "button",
      tabIndex: -1,
      attrs: { role: "menuitem" },
      onclick: async () => {
        menu.hidePopover();
        opener.focus();
        if (!(await agreed(element.confirm))) return;
        if (url) window.open(url, "_blank", "noreferrer");
        send({ action_id: element.action_id ?? "", value: null, option: option.value ?? null }, opener);
      },
    }, label, option.description && el("small", {}, plainString(option.description, say("a description"))));
  });
  const menu = el("div", {
    id,
    className: "slack-menu",
    popover: "auto",
    attrs: { role: "menu", "aria-label": say("More actions") },
    onbeforetoggle: ({ newState }) => newState === "open" && place(menu, opener),
    ontoggle: ({ newState }) => {
      opener.setAttribute("aria-expanded", String(newState === "open"));
      if (newState !== "open") return;
      place(menu, opener); // now its size is known
      items[0].focus();
    },
    onkeydown: (event) => move(event, items, menu),
  }, items);
  const opener = el("button", {
    type: "button",
    className: "slack-button slack-dots",
    aria: { label: say("More actions"), haspopup: "menu", expanded: "false", controls: id },
    popoverTargetElement: menu,
    onkeydown: (event) => {
      if (event.key !== "ArrowDown" || menu.matches(":popover-open")) return;
      event.preventDefault();
      opener.click();
    },
  }, el("span", { aria: { hidden: "true" } }, "⋯"));
  return el("span", { className: "slack-overflow" }, opener, menu);
}

function place(menu, opener) {
  const box = opener.getBoundingClientRect();
  const below = innerHeight - box.bottom > menu.offsetHeight + 8;
  menu.style.left = `${Math.max(8, Math.min(box.left, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${below ? box.bottom + 4 : Math.max(8, box.top - menu.offsetHeight - 4)}px`;
}

function move(event, items, menu) {
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    items[(to + items.length) % items.length].focus();
  } else if (event.key === "Tab") {
    menu.hidePopover();
  }
}
