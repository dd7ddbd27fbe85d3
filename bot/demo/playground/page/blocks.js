// Block Kit's blocks as elements. A block that is unknown or malformed becomes a box that says so.
// https://docs.slack.dev/reference/block-kit/blocks
import { el } from "./dom.js";
import { drawElement, errorBox, image } from "./elements.js";
import { drawField } from "./fields.js";
import { say } from "./language.js";
import { Malformed, plainString, textObject } from "./slack-text.js";

const LONG = { letters: 1000, lines: 12 }; // more of a section's text is folded, unless it says `expand`

/**
 * Draw the blocks of a message, a modal or a Home.
 * @param {object[]} blocks
 * @param {(click: object, element: HTMLElement) => Promise<boolean>} send what a click on an element calls
 * @param {object} [view] what else a view has: `values` of its menus and fields, and `fields`, which draw its inputs
 * @returns {HTMLElement[]}
 */
export function drawBlocks(blocks, send, { values = {}, fields = null } = {}) {
  return blocks.map((block, index) => {
    const kind = block?.type;
    if (!Object.hasOwn(DRAWN, kind)) return errorBox("block", kind, say("it is not known here"));
    const id = typeof block.block_id === "string" ? block.block_id : "";
    try {
      return DRAWN[kind](block, {
        place: id || String(index),
        values: values[id] ?? {},
        fields,
        send: (click, element) => send({ block_id: id, ...click }, element),
      });
    } catch (error) {
      return errorBox("block", kind, error instanceof Malformed ? error.message : say("it is malformed"));
    }
  });
}

const DRAWN = {
  header: ({ text }) => el("h3", { className: "slack-header" }, textObject(text, say("its text"), ["plain_text"])),
  divider: () => el("hr", { className: "slack-divider" }),

  section(block, context) {
    if (!block.text && !block.fields) throw new Malformed(say("it has neither text nor fields"));
    const text = block.text && sectionText(block);
    const fields = block.fields && listOf(block.fields, "fields").map((field, index) =>
      el("div", { className: "slack-field slack-text" }, textObject(field, say("field {number}", { number: index + 1 }))));
    return el("div", { className: "slack-section" },
      el("div", { className: "slack-section-main" },
        text, fields && el("div", { className: "slack-fields" }, fields)),
      block.accessory &&
        el("div", { className: "slack-accessory" }, drawElement(block.accessory, context, ["image"])));
  },

  context(block) {
    const parts = listOf(block.elements, "elements").map((part) => {
      if (part?.type === "image") return image(part, "slack-context-image");
      if (part?.type !== "mrkdwn" && part?.type !== "plain_text") {
        return errorBox("element", part?.type, say("a context holds texts and images"));
      }
      return el("span", { className: "slack-text" }, textObject(part, say("an element")));
    });
    return el("div", { className: "slack-context" }, parts);
  },

  actions: (block, context) =>
    el("div", { className: "slack-actions" },
      listOf(block.elements, "elements").map((element) => drawElement(element, context))),

  input(block, { fields }) {
    if (!fields) throw new Malformed(say("only a window has fields"));
    return drawField(block, fields);
  },

  image(block) {
    const title = block.title ? plainString(block.title, say("its title")) : "";
    return el("figure", { className: "slack-figure" },
      title && el("figcaption", {}, title), image(block, "slack-picture"));
  },
};

function sectionText(block) {
  const text = el("div", { className: "slack-text" }, textObject(block.text, say("its text")));
  const { length } = block.text.text;
  const short = length <= LONG.letters && block.text.text.split("\n").length <= LONG.lines;
  if (block.expand === true || short) return text;
  text.classList.add("folded");
  const more = el("button", {
    type: "button",
    className: "slack-plain-button",
    aria: { expanded: "false" },
    onclick: () => {
      const folded = text.classList.toggle("folded");
      more.textContent = folded ? say("See more") : say("See less");
      more.setAttribute("aria-expanded", String(!folded));
    },
  }, say("See more"));
  return el("div", {}, text, more);
}

function listOf(value, name) {
  if (!Array.isArray(value) || value.length === 0) throw new Malformed(say("its {name} are no list", { name }));
  return value;
}
