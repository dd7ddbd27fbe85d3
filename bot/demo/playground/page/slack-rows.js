// A list of messages that stays in order, and touches only the row that changes.
import { inOrder, keyOf } from "./slack-store.js";

/**
 * Rows below `container`.
 * @param {(message: object) => { element: HTMLElement, patch: (message: object) => void }} makeRow
 */
export function rowsIn(container, makeRow) {
  const rows = new Map(); // by key, each with its message

  function put(message) {
    const key = keyOf(message);
    const known = rows.get(key);
    if (known) {
      known.message = message;
      known.patch(message);
      return known;
    }
    const row = Object.assign(makeRow(message), { message });
    let before = container.lastElementChild;
    while (before && inOrder(rows.get(before.dataset.key).message, message) > 0) {
      before = before.previousElementSibling;
    }
    row.element.dataset.key = key;
    if (before) before.after(row.element);
    else container.prepend(row.element);
    rows.set(key, row);
    return row;
  }

  function remove(message) {
    const row = rows.get(keyOf(message));
    if (!row) return;
    if (row.element.contains(document.activeElement)) neighbour(row.element)?.focus({ preventScroll: true });
    row.element.remove();
    rows.delete(keyOf(message));
  }

  return { put, remove, get: (message) => rows.get(keyOf(message)), all: () => [...rows.values()] };
}

/** Where the focus goes when its row disappears. */
function neighbour(element) {
  return element.nextElementSibling ?? element.previousElementSibling ?? element.closest('[role="log"]');
}
