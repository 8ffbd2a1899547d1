// Light or dark: what was chosen here before, else what the system prefers. Runs before anything is drawn.
"use strict";
const Theme = (() => {
  const KEY = "agent-telemetry-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];
  const stored = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const apply = () => {
    const asked = new URLSearchParams(location.search).get("theme");
    document.documentElement.dataset.theme = asked || stored() || (system.matches ? "dark" : "light");
    listeners.forEach((listener) => listener());
  };
  const toggle = () => {
    const other = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem(KEY, other); } catch { /* a file: page may have no storage */ }
    document.documentElement.dataset.theme = other;
    listeners.forEach((listener) => listener());
  };
  system.addEventListener("change", apply);
  apply();
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return { toggle, color, onChange: (listener) => listeners.push(listener) };
})();
