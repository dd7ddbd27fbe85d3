// What was asked and did not happen is said beside the place where it was asked.
import { act, NoAnswer, on } from "./feed.js";
import { el } from "./dom.js";

const unanswered = new Set(); // lines which say that the server is gone: no longer true once it is back
on("link", (there) => {
  if (!there) return;
  for (const line of unanswered) line.textContent = "";
  unanswered.clear();
});

/** A line for troubles: empty and out of sight until there is one. */
export function troubleLine() {
  return el("p", { className: "trouble", attrs: { role: "alert" } });
}

/**
 * Do as `act()` does, but show an error in a line instead of throwing it.
 * @returns {Promise<object|null>} the answer, or null
 */
export async function attempt(line, name, details = {}) {
  line.textContent = "";
  unanswered.delete(line);
  try {
    return await act(name, details);
  } catch (error) {
    line.textContent = error.message;
    if (error instanceof NoAnswer) unanswered.add(line);
    return null;
  }
}
