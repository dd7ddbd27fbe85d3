// Light or dark: the system's choice until the button says otherwise, which is remembered.
import { say } from "./language.js";

const KEY = "kf-theme";
// what the button says and means that leads to a theme
const WORDS = {
  light: [say("Light"), say("Light theme"), say("Switch to the light theme")],
  dark: [say("Dark"), say("Dark theme"), say("Switch to the dark theme")],
};
const system = window.matchMedia("(prefers-color-scheme: dark)");

/** Make a button switch the theme. */
export function mountTheme(button) {
  const current = () => document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
  const show = () => {
    const [text, label, title] = WORDS[current() === "dark" ? "light" : "dark"];
    button.textContent = text;
    button.setAttribute("aria-label", label);
    button.title = title;
  };
  button.addEventListener("click", () => {
    const chosen = current() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // Then it lasts as long as the page.
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}
