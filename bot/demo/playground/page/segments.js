// A choice of one among a few, as a row of segments: radio buttons below.
import { el } from "./dom.js";

/**
 * Draw a choice. An option is `{ value, label, lang }`; `choose(value)` is called for a press.
 * @returns {{ element: HTMLElement, show: (value: any) => void }} `show` presses the segment of a value
 */
export function segments({ name, legend, options, choose }) {
  const inputs = new Map(); // by value
  const labels = options.map(({ value, label, lang }) => {
    const input = el("input", {
      type: "radio", name, value: String(value), className: "sr-only", onchange: () => choose(value),
    });
    inputs.set(value, input);
    return el("label", { className: "segment", ...(lang && { lang }) }, input, el("span", {}, label));
  });
  const element = el("fieldset", { className: "segments" }, el("legend", { className: "sr-only" }, legend), labels);
  return {
    element,
    show(value) {
      for (const [one, input] of inputs) input.checked = one === value;
    },
  };
}
