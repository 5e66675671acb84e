// What pages do beside htmx, each by an attribute: copy a text, ask before a form is sent, switch the theme.
// Nothing here is needed to use a page.
(() => {
  "use strict";

  const say = (text) => { document.getElementById("said").textContent = text; };

  // Open <details>, what is typed, and the place in a box that scrolls, stay when a part is fetched anew.
  if (window.Idiomorph) {
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
      !(name === "open" && node.tagName === "DETAILS") && !(name === "hidden" && node.matches("[data-copy]"));
    Idiomorph.defaults.callbacks.beforeNodeMorphed = (node) => !(node.dataset && "drawn" in node.dataset);
    Idiomorph.defaults.ignoreActiveValue = true;
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say(`Copied ${button.dataset.copy}`);
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1200);
    } catch {
      say("The browser does not let this page copy.");
    }
  });

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  const themes = ["auto", "light", "dark"];
  const root = document.documentElement;
  const showTheme = () => {
    const button = document.querySelector("[data-theme-switch]");
    if (!button) return;
    button.hidden = false;
    button.querySelector("[data-theme-name]").textContent = root.dataset.theme || "auto";
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const next = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
    if (next === "auto") {
      delete root.dataset.theme;
      localStorage.removeItem("alula-theme");
    } else {
      root.dataset.theme = next;
      localStorage.setItem("alula-theme", next);
    }
    showTheme();
    document.dispatchEvent(new Event("alula:theme"));
  });

  // The exact time in the place where the browser is, and buttons that do nothing without this file.
  const dress = (within) => {
    for (const time of within.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.getAttribute("datetime"));
      if (!isNaN(moment)) time.title = moment.toLocaleString();
    }
    for (const button of within.querySelectorAll("[data-copy]")) button.hidden = false;
    if (window.alulaCharts) window.alulaCharts(within);
  };
  dress(document);
  showTheme();
  document.addEventListener("htmx:afterSettle", () => dress(document));
  document.addEventListener("htmx:sseError", () => { root.dataset.live = "lost"; });
  document.addEventListener("htmx:sseOpen", () => { root.dataset.live = "on"; });
})();
