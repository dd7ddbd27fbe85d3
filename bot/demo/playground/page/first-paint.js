// The remembered theme and language, before the first paint. Not a module: that would come too late, and the page
// would flash.
let language = "";
try {
  const remembered = localStorage.getItem("kf-theme");
  if (remembered === "dark" || remembered === "light") document.documentElement.dataset.theme = remembered;
  language = localStorage.getItem("kf-language") ?? "";
} catch {
  // Storage may be closed to the page: then the system's theme and the browser's language it is.
}
if (/^zh\b/i.test(language || navigator.language)) document.documentElement.lang = "zh-CN";
