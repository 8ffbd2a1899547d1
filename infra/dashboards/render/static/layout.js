// Rows as sections that fold, panels where gridPos puts them; on narrower screens they keep their order and get wider.
"use strict";
const Layout = (() => {
  const WIDE = 1280;
  const NARROW = 700;
  // Each row panel begins a section; what stands before the first one has a section without a name.
  const sections = (model) => {
    const found = [];
    for (const panel of model.panels) {
      if (panel.type === "row") found.push({ row: panel, panels: [...(panel.panels || [])] });
      else {
        if (!found.length) found.push({ row: null, panels: [] });
        found[found.length - 1].panels.push(panel);
      }
    }
    return found.filter((section) => section.panels.length);
  };
  const span = (panel, width) => {
    const { w } = panel.gridPos;
    if (width >= WIDE) return w;
    if (width < NARROW) return panel.type === "stat" ? 12 : 24;
    if (panel.type === "stat") return w <= 3 ? 6 : w;
    if (panel.type === "table" && w >= 10) return 24;
    return Math.max(w, 12);
  };
  // The spans of a section's panels: a row that is not full gives what is left to its last panel.
  const spans = (panels, width) => {
    const made = panels.map((panel) => span(panel, width));
    if (width >= WIDE) return made;
    let used = 0;
    made.forEach((size, at) => {
      if (used + size > 24) { if (used < 24) made[at - 1] += 24 - used; used = 0; }
      used += size;
      if (used === 24) used = 0;
    });
    if (used && made.length) made[made.length - 1] += 24 - used;
    return made;
  };
  const place = (grid, cards, width) => {
    const sizes = spans(cards.map((card) => card.panel), width);
    const top = Math.min(...cards.map((card) => card.panel.gridPos.y));
    cards.forEach((card, at) => {
      const { x, y, h } = card.panel.gridPos;
      const fixed = width >= WIDE;
      card.element.style.gridColumn = `${fixed ? x + 1 : "auto"} / span ${sizes[at]}`;
      card.element.style.gridRow = `${fixed ? y - top + 1 : "auto"} / span ${h}`;
    });
  };
  const build = (model, makeCard, parent) => {
    const built = sections(model).map(({ row, panels }) => {
      const cards = panels.map(makeCard);
      const grid = el("div", { class: "grid" }, cards.map((card) => card.element));
      const head = row && row.title
        ? el("button", { class: "section-head", "aria-expanded": "true", onclick: () => {
            const open = grid.hidden;
            grid.hidden = !open;
            head.setAttribute("aria-expanded", String(open));
            if (open) cards.forEach((card) => card.resized());
          } }, icon("down", 14), row.title)
        : "";
      parent.append(el("section", { class: "section" }, head, grid));
      return { grid, cards };
    });
    let width = 0;
    const arrange = () => {
      if (parent.clientWidth === width) return;
      width = parent.clientWidth;
      built.forEach(({ grid, cards }) => place(grid, cards, innerWidth));
      built.forEach(({ cards }) => cards.forEach((card) => card.resized()));
    };
    new ResizeObserver(arrange).observe(parent);
    arrange();
    return built.flatMap(({ cards }) => cards);
  };
  return { build };
})();
