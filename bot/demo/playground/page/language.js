// The language of the page, and its sentences. English ones are written where they are used, whole, with named
// places; their Chinese is in words.js.
import { CHINESE } from "./words.js";

const KEY = "kf-language";
const LANGUAGES = {
  en: { name: "English", lang: "en", title: "Switch to English" },
  zh: { name: "中文", lang: "zh-CN", title: "切换到中文" },
};

/** The language of the page, `en` or `zh`. It is chosen before the first paint, and only a new page has another. */
export const language = isChinese(document.documentElement.lang) ? "zh" : "en";

/** Whether an IETF tag (`zh-CN`) is one of Chinese. */
export function isChinese(tag) {
  return /^zh\b/i.test(tag);
}

/** What stands between two sentences. */
export const BETWEEN = language === "zh" ? "" : " ";

/** Say a sentence in the language of the page. `values` are what stands in its places, by their names. */
export function say(sentence, values = {}) {
  return pieces(sentence, values).join("");
}

/** Say a sentence with a number in it, in its singular or plural. */
export function count(one, more, number, values = {}) {
  return say(language === "en" && number === 1 ? one : more, { number, ...values });
}

/** Say a word whose translation depends on where it stands, which `context` names. */
export function term(context, word) {
  return own(CHINESE, `${context}|${word}`) ?? word;
}

/** The parts of a sentence: its texts, and the values between them, which may be elements. */
export function pieces(sentence, values) {
  return (own(CHINESE, sentence) ?? sentence).split(/\{([a-z_]+)\}/).map((part, at) => (at % 2 ? values[part] : part));
}

function own(words, key) {
  return language === "zh" && Object.hasOwn(words, key) ? words[key] : null;
}

/** Translate what is written in the HTML: `data-say` marks a text, `data-say="aria-label"` an attribute. */
export function translatePage() {
  document.title = say(document.title);
  for (const marked of document.querySelectorAll("[data-say]")) {
    const attribute = marked.dataset.say;
    if (attribute) marked.setAttribute(attribute, say(marked.getAttribute(attribute)));
    else marked.textContent = say(marked.textContent);
    delete marked.dataset.say; // unmarked, it is shown
  }
}

/** Make a button switch to the other language. The choice is remembered, and the page starts again in it. */
export function mountLanguage(button) {
  const other = language === "en" ? "zh" : "en";
  const { name, lang, title } = LANGUAGES[other];
  Object.assign(button, { textContent: name, lang, title });
  button.addEventListener("click", () => {
    try {
      localStorage.setItem(KEY, other);
    } catch {
      return; // a new page would be in the same language
    }
    location.reload();
  });
}
