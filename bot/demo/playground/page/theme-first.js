// The remembered theme, before the first paint. Not a module: that would come too late, and the page would flash.
try {
  const remembered = localStorage.getItem("kf-theme");
  if (remembered === "dark" || remembered === "light") document.documentElement.dataset.theme = remembered;
} catch {
  // Storage may be closed to the page: then the system's theme it is.
}
