// What was asked and did not happen is said beside the place where it was asked.
import { act } from "./feed.js";
import { el } from "./dom.js";

/** A line for troubles: empty and out of sight until there is one. */
export function troubleLine() {
  return el("p", { className: "trouble", attrs: { role: "alert" } });
}

/**
 * `act()`, with its trouble told in a line instead of thrown.
 * @returns {Promise<object|null>} the answer, or null
 */
export async function attempt(line, name, details = {}) {
  line.textContent = "";
  try {
    return await act(name, details);
  } catch (error) {
    line.textContent = error.message;
    return null;
  }
}
