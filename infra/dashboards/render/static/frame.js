// What the live page and the report have in common: the head with the dashboards' names, and the theme's button.
"use strict";
const Frame = (() => {
  const themeButton = () => {
    const button = el("button", { class: "control", "data-control": "theme", "aria-label": "Light or dark", title: "Light or dark", onclick: Theme.toggle });
    const fill = () => button.replaceChildren(icon(document.documentElement.dataset.theme === "dark" ? "sun" : "moon", 16));
    Theme.onChange(fill);
    fill();
    return button;
  };
  const mark = () => el("svg", { viewBox: "0 0 24 24", width: 22, height: 22, class: "mark", "aria-hidden": "true" },
    el("rect", { x: 1, y: 1, width: 22, height: 22, rx: 6, fill: "var(--accent)" }),
    el("path", { d: "M5 14.5h3l2.2-7 3.4 10 2.3-6H19", fill: "none", stroke: "#fff", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round" }));
  const head = (stack, links, extra = []) => el("header", { class: "top" },
    el("div", { class: "brand" }, mark(), el("b", {}, "agent-telemetry"), el("span", { class: "badge", title: "The stack" }, stack)),
    el("nav", { "aria-label": "Dashboards" }, links),
    el("div", { class: "top-right" }, ...extra, themeButton()));
  const read = () => JSON.parse(document.getElementById("page-data").textContent);
  return { head, read };
})();
