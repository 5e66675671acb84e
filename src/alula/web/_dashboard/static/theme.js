// Before anything is drawn: the theme that was chosen here, if one was. It is kept in this browser alone.
(() => {
  const chosen = localStorage.getItem("alula-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
