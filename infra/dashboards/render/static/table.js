// Grafana's table panel (sorted by a click on a column's name) and its logs panel.
"use strict";
const Table = (() => {
  const LONG = 60;
  const titleOf = (name) => name.replaceAll("_", " ");
  const ordered = (rows, sort) => {
    if (!sort) return rows;
    const { at, down } = sort;
    const less = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
    return [...rows].sort((a, b) => {
      if (a[at] === null || b[at] === null) return a[at] === b[at] ? 0 : a[at] === null ? 1 : -1;
      return (down ? -1 : 1) * less(a[at], b[at]);
    });
  };

  // A bar of the column's greatest behind a figure.
  const gauge = (value, most) => el("i", { class: "gauge", style: { width: `${most > 0 ? Math.max(0, (100 * (value ?? 0)) / most) : 0}%` }, "aria-hidden": "true" });

  const cell = (value, column, field, long, most, row, columns, context) => {
    const text = Fields.text(value, column.kind, field);
    const classes = [column.kind === "number" ? "number" : "", /^[0-9a-f]{16,32}$/.test(text) ? "id" : "", long ? "long" : "", text === "–" ? "none" : ""];
    const color = field["custom.cellOptions"]?.type === "color-text" ? Fields.threshold(field, value) : "";
    const made = el("td", { class: classes.filter(Boolean).join(" ") || null, title: text.length > 18 ? text.slice(0, 2000) : null, style: { color: color || undefined } });
    const link = (field.links || [])[0];
    const named = Object.fromEntries(columns.map((other, at) => [other.name, row[at]]));
    const address = link && value !== null && value !== "" ? context.link(link.url, named) : null;
    const inner = el("span", { class: "cell" }, text);
    if (field["custom.cellOptions"]?.type === "gauge" && typeof value === "number") made.prepend(gauge(value, most));
    made.append(address ? el("a", { href: address, title: `${link.title}: ${text}`, target: link.targetBlank ? "_blank" : null, rel: "noopener" }, inner) : inner);
    if (long && !address) made.addEventListener("click", () => made.classList.toggle("open"));
    return made;
  };

  const draw = (panel, answer, body, context) => {
    const columns = answer.columns;
    const fields = columns.map((column) => Fields.of(panel, column.name));
    // A column with one long text is told the same way in all its rows.
    const long = columns.map((column, at) => answer.rows.some((row) => Fields.text(row[at], column.kind, fields[at]).length > LONG));
    const most = columns.map((_, at) => Math.max(0, ...answer.rows.map((row) => (typeof row[at] === "number" ? row[at] : 0))));
    let sort = body.drawn?.kind === "table" ? body.drawn.sort : null;
    const scrolled = body.querySelector(".scroll")?.scrollTop || 0;
    const rows = el("tbody");
    const heads = columns.map((column, at) => {
      const turn = () => {
        const first = column.kind === "number" || column.kind === "time";
        sort = sort?.at !== at ? { at, down: first } : sort.down === first ? { at, down: !first } : null;
        body.drawn.sort = sort;
        fill();
      };
      return el("th", { class: column.kind === "number" ? "number" : null, scope: "col" },
        el("button", { onclick: turn, title: `Sort by ${titleOf(column.name)}` }, titleOf(column.name), el("i", { class: "sort", "aria-hidden": "true" })));
    });
    const fill = () => {
      heads.forEach((head, at) => (sort?.at === at ? head.setAttribute("aria-sort", sort.down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
      rows.replaceChildren(...ordered(answer.rows, sort).map((row) =>
        el("tr", {}, columns.map((column, at) => cell(row[at], column, fields[at], long[at], most[at], row, columns, context)))));
    };
    body.drawn = { kind: "table", sort };
    const scroll = el("div", { class: "scroll", tabindex: "0" }, el("table", {}, el("thead", {}, el("tr", {}, heads)), rows));
    fill();
    body.replaceChildren(scroll);
    scroll.scrollTop = scrolled;
  };

  const LEVELS = { error: "red", fatal: "red", critical: "red", warn: "orange", warning: "orange", info: "blue", debug: "muted", trace: "muted" };
  const pretty = (text) => {
    try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
  };
  const logs = (panel, answer, body) => {
    const at = (name) => answer.columns.findIndex((column) => column.name === name);
    const [time, text, level] = [at("timestamp"), at("body"), at("level")];
    body.replaceChildren(el("div", { class: "scroll", tabindex: "0" }, el("ol", { class: "logs" }, answer.rows.map((row) => {
      const line = el("li", { style: { "--level": `var(--${LEVELS[row[level]] || "muted"})` } },
        el("time", {}, Format.moment(row[time], true)), el("span", { class: "level" }, row[level] || "–"), el("code", {}, row[text]));
      line.addEventListener("click", () => {
        if (getSelection().toString()) return;
        line.classList.toggle("open");
        line.querySelector("code").textContent = line.classList.contains("open") ? pretty(row[text]) : row[text];
      });
      return line;
    }))));
  };
  return { draw, logs };
})();
