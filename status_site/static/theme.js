// Before anything is drawn: the theme that this reader chose on an earlier visit.
(() => {
  const theme = localStorage.getItem("herald-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
