// The two forms of the console: invite a person, add an account.
import { el } from "./dom.js";
import { act } from "./feed.js";
import { now, rate } from "./clock.js";
import { showDialog } from "./dialog.js";
import { say } from "./language.js";
import { nameOf } from "./seat-row.js";
import { day, minute, second, span } from "./times.js";

const MINUTE = 60, HOUR = 3600, DAY = 86400;
// Each step is about half as much again, and a number that people say: even at the arrow keys, on a log scale.
const STOPS = [
  10, 15, 20, 30, 45, MINUTE, 1.5 * MINUTE, 2 * MINUTE, 3 * MINUTE, 5 * MINUTE, 7 * MINUTE, 10 * MINUTE,
  15 * MINUTE, 20 * MINUTE, 30 * MINUTE, 41 * MINUTE, HOUR, 1.5 * HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 6 * HOUR,
  9 * HOUR, 12 * HOUR, 18 * HOUR, DAY, 1.5 * DAY, 2 * DAY, 3 * DAY, 4 * DAY, 5 * DAY, 7 * DAY,
];
const FIRST = STOPS.indexOf(41 * MINUTE);

/** Ask whom to invite and until when, and invite them. */
export function askForInvitation(seat) {
  const person = el("input", {
    id: "invite-wx", className: "input", value: suggestion(seat), autofocus: true,
    autocomplete: "off", spellcheck: false, maxLength: 64,
  });
  const slider = el("input", {
    id: "invite-deadline", type: "range", min: "0", max: String(STOPS.length - 1), step: "1", value: String(FIRST),
    oninput: () => show(),
  });
  const said = el("output", { className: "deadline-said", htmlFor: slider.id });
  const hint = el("small");
  const show = () => {
    const seconds = STOPS[Number(slider.value)];
    said.textContent = say("in {time}", { time: span(seconds) });
    slider.setAttribute("aria-valuetext", said.textContent);
    const until = now() + seconds;
    const clock = seconds < HOUR ? second(until) : minute(until);
    const values = { day: day(until), time: clock, span: span(Math.max(1, seconds / rate())) };
    hint.textContent = rate() > 1
      ? say("{day}, {time} by the playground's clock, {span} from now at this speed", values)
      : say("{day}, {time} by the playground's clock", values);
  };
  show();
  return showDialog({
    title: say("Invite a person to {name}", { name: nameOf(seat) }),
    body: [
      el("div", { className: "field" }, el("label", { htmlFor: person.id }, say("WeChat ID")), person),
      el("div", { className: "field" },
        el("div", { className: "deadline-head" }, el("label", { htmlFor: slider.id }, say("Invitation ends")), said),
        slider,
        el("div", { className: "deadline-ends", aria: { hidden: "true" } },
          el("span", {}, span(STOPS[0])), el("span", {}, span(STOPS.at(-1)))),
        hint),
    ],
    buttons: [
      { label: say("Cancel"), value: null },
      {
        label: say("Invite"), value: true, kind: "primary",
        work: async () => {
          const invite_wx = person.value.trim();
          if (!invite_wx) throw new Error(say("Say whom to invite: their WeChat ID."));
          await act("wechat.invite", {
            account: seat.account, key: seat.key, invite_wx, seconds: STOPS[Number(slider.value)],
          });
        },
      },
    ],
  });
}

/** Ask for a new account, and add it to an Official Account. */
export function askForAccount(appid) {
  const name = el("input", {
    id: "add-name", className: "input", autofocus: true, placeholder: "bo", autocomplete: "off", spellcheck: false,
    maxLength: 40,
  });
  const nickname = el("input", {
    id: "add-nickname", className: "input", placeholder: "小波", autocomplete: "off", maxLength: 64,
  });
  return showDialog({
    title: say("Add an account"),
    body: [
      el("div", { className: "field" }, el("label", { htmlFor: name.id }, say("Account")), name,
        el("small", {}, say("The part before the @, such as bo."))),
      el("div", { className: "field" }, el("label", { htmlFor: nickname.id }, say("Name")), nickname,
        el("small", {}, say("What customers see. Anything goes; it stays text."))),
    ],
    buttons: [
      { label: say("Cancel"), value: null },
      {
        label: say("Add"), value: true, kind: "primary",
        work: async () => {
          const wanted = name.value.trim();
          if (!wanted) throw new Error(say("Say what the account is called before the @."));
          await act("wechat.add", { account: appid, name: wanted, nickname: nickname.value.trim() || wanted });
        },
      },
    ],
  });
}

function suggestion(seat) {
  if (seat.invite_wx) return seat.invite_wx;
  const first = (seat.kf_account ?? "").split("@")[0].replace(/[^\w-]/g, "").slice(0, 20);
  return `${first || "bo"}_example`;
}
