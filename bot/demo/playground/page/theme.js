// Light or dark: the system's choice until the button says otherwise, which is remembered.

const KEY = "kf-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

/** Make a button switch the theme. */
export function mountTheme(button) {
  const current = () => document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
  const show = () => {
    const other = current() === "dark" ? "light" : "dark";
    button.textContent = other === "dark" ? "Dark" : "Light";
    button.setAttribute("aria-label", `${button.textContent} theme`);
    button.title = `Switch to the ${other} theme`;
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
