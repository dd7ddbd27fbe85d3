// The fields of a modal: input blocks. What a person has typed stays in them when the view changes under the same IDs.
// https://docs.slack.dev/reference/block-kit/blocks/input-block
import { el } from "./dom.js";
import { choices, errorBox, PLACEHOLDER } from "./elements.js";
import { say } from "./language.js";
import { Malformed, plainString } from "./slack-text.js";

const MOST = 3000; // characters, unless a field sets another limit
// What Slack itself says at a field, before the app is asked.
const OF_SLACK = { "Please complete this required field.": say("Please complete this required field.") };
let made = 0; // for ids

/** The fields of one modal. `show(view)` is for the view in front, `entries()` returns what its fields contain. */
export function fieldsOfModal() {
  const typed = new Map(); // by view, block and action
  let view = null;
  let controls = new Map(); // by block

  return {
    show(next) {
      view = next;
      controls = new Map();
    },
    forget: () => typed.clear(),
    errorOf: (block) => view.errors[block.block_id] ?? "",
    entries: () => Object.fromEntries([...controls].map(([block, control]) => [block, control.value])),
    /** Put into a control what was in the field before it was drawn, and keep what is put in from now on. */
    keep({ block_id: block, element }, control) {
      const key = [view.id, block, element.action_id].join(" ");
      const kept = view.values[block]?.[element.action_id];
      control.value = typed.get(key) ?? kept?.value ?? kept?.selected_option?.value ?? "";
      control.addEventListener("input", () => typed.set(key, control.value));
      controls.set(block, control);
    },
  };
}

/** Draw an input block: its label, the control, the error at it, the hint. */
export function drawField(block, fields) {
  const { element, optional } = block;
  const kind = element?.type;
  if (!Object.hasOwn(CONTROLS, kind)) return errorBox("element", kind, say("it is not known here"));
  made += 1;
  const id = `slack-input-${made}`;
  const label = plainString(block.label, say("its label"));
  const hint = block.hint && plainString(block.hint, say("its hint"));
  const error = fields.errorOf(block);
  const control = CONTROLS[kind](element);
  const described = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ");
  Object.assign(control, { id, required: !optional });
  control.dataset.focusKey = `field/${block.block_id}`;
  control.dataset.actionId = element.action_id;
  if (described) control.setAttribute("aria-describedby", described);
  if (error) control.setAttribute("aria-invalid", "true");
  fields.keep(block, control);
  const box = kind === "static_select" ? el("span", { className: "slack-select-box" }, control) : control;
  if (kind === "static_select") showPlaceholder(control);
  return el("div", { className: "slack-input" },
    el("label", { htmlFor: id }, label,
      optional && el("span", { className: "slack-optional" }, ` ${say("(optional)")}`)),
    box,
    error && el("p", { id: `${id}-error`, className: "slack-input-error" }, OF_SLACK[error] ?? error),
    hint && el("p", { id: `${id}-hint`, className: "slack-input-hint" }, hint));
}

const CONTROLS = {
  plain_text_input(element) {
    const lines = element.multiline ? { rows: 4 } : { type: "text" };
    return el(element.multiline ? "textarea" : "input", {
      ...lines,
      className: "slack-input-control",
      placeholder: element.placeholder ? plainString(element.placeholder, say("its placeholder")) : "",
      maxLength: element.max_length ?? MOST,
      autocomplete: "off",
      spellcheck: false,
      attrs: { autocapitalize: "off" },
    });
  },

  static_select(element) {
    const placeholder = plainString(element.placeholder ?? PLACEHOLDER, say("its placeholder"));
    return el("select", { className: "slack-select" },
      el("option", { value: "", disabled: true, hidden: true }, placeholder), choices(element));
  },
};

function showPlaceholder(menu) {
  const show = () => menu.classList.toggle("placeholder", menu.value === "");
  menu.addEventListener("input", show);
  show();
  if (menu.selectedIndex < 0) throw new Malformed(say("its initial_option is not one of the options"));
}
