// Elements by code. Text is always text: nothing that comes from the data is ever read as HTML.
"use strict";
function el(tag, attributes = {}, ...children) {
  const made = document.createElementNS(
    ["svg", "path", "line", "rect", "circle"].includes(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) made.style.setProperty(key, text);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const ICONS = {
  sun: "M12 4V2M12 22v-2M4 12H2M22 12h-2M5.6 5.6 4.2 4.2M19.8 19.8l-1.4-1.4M18.4 5.6l1.4-1.4M4.2 19.8l1.4-1.4M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8Z",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
  clock: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18ZM12 7.5V12l3 2",
  refresh: "M20 5v5h-5M4 19v-5h5M19 10a7.5 7.5 0 0 0-13-3L4 9M5 14a7.5 7.5 0 0 0 13 3l2-2",
  down: "m6 9 6 6 6-6",
  right: "m9 6 6 6-6 6",
  info: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18ZM12 11v5M12 7.8v.2",
  code: "m8 8-4 4 4 4M16 8l4 4-4 4",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13ZM15.5 15.5 20 20",
  check: "m5 12 5 5 9-10",
  warning: "M12 4 2.5 20h19L12 4ZM12 10v4M12 17v.2",
  empty: "M4 13l2.5-8h11L20 13M4 13v6h16v-6M4 13h5l1.5 2.5h3L15 13h5",
};
function icon(name, size = 16) {
  return el("svg", { viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true", class: "icon" },
    el("path", { d: ICONS[name], fill: "none", stroke: "currentColor", "stroke-width": "1.8",
                 "stroke-linecap": "round", "stroke-linejoin": "round" }));
}

// One menu at a time, closed by Escape and by a click elsewhere.
const Menu = (() => {
  let open = null;
  const close = () => {
    if (!open) return;
    open.menu.remove();
    open.button.setAttribute("aria-expanded", "false");
    const then = open.closed;
    open = null;
    if (then) then();
  };
  document.addEventListener("pointerdown", (event) => {
    if (open && !open.menu.contains(event.target) && !open.button.contains(event.target)) close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && open) { const { button } = open; close(); button.focus(); }
  });
  const toggle = (button, menu, closed) => {
    const mine = open && open.button === button;
    close();
    if (mine) return;
    document.body.append(menu);
    const at = button.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, innerWidth - menu.offsetWidth - 8));
    menu.style.left = `${left + scrollX}px`;
    menu.style.top = `${at.bottom + 6 + scrollY}px`;
    button.setAttribute("aria-expanded", "true");
    open = { button, menu, closed };
    menu.querySelector("input, button")?.focus({ preventScroll: true });
  };
  return { toggle, close };
})();
