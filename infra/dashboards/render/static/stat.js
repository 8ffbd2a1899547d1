// Grafana's stat and bar gauge panels.
"use strict";
const Stat = (() => {
  const wanted = (panel, answer) => {
    const pattern = /^\/(.*)\/$/.exec(panel.options?.reduceOptions?.fields || "");
    const numbers = answer.columns.flatMap((column, at) => (column.kind === "number" ? [at] : []));
    return numbers.find((at) => !pattern || new RegExp(pattern[1]).test(answer.columns[at].name)) ?? numbers[0];
  };
  const draw = (panel, answer, body) => {
    const at = wanted(panel, answer);
    const filled = answer.rows.map((row) => row[at]).filter((value) => value !== null && value !== undefined);
    const value = filled[filled.length - 1];
    const field = Fields.of(panel, answer.columns[at]?.name);
    const color = panel.options?.colorMode === "value" ? Fields.threshold(field, value) : "";
    const [, figure, unit] = /^(.*?\d\S*?)(?:\s(\D+))?$/.exec(value === undefined ? "" : Format.number(value, field.unit, field.decimals)) || [];
    body.replaceChildren(el("div", { class: "stat", style: { color: color || undefined } },
      figure === undefined ? el("span", { class: "stat-none" }, field.noValue || "–") : [el("span", { class: "stat-figure" }, figure), unit ? el("span", { class: "stat-unit" }, unit) : ""]));
  };

  const bars = (panel, answer, body) => {
    const name = answer.columns.findIndex((column) => column.kind === "string");
    const figure = answer.columns.findIndex((column) => column.kind === "number");
    const field = Fields.of(panel, answer.columns[figure]?.name);
    const rows = answer.rows.slice(0, panel.options?.reduceOptions?.limit || 25);
    const most = Math.max(field.max ?? 0, ...rows.map((row) => row[figure] ?? 0)) || 1;
    body.replaceChildren(el("div", { class: "bars", role: "list" }, rows.map((row) => {
      const label = row[name] || "(none)";
      return el("div", { class: "bar-row", role: "listitem" },
        el("span", { class: "bar-name", title: label }, label),
        el("span", { class: "bar-track" }, el("i", { style: { width: `${Math.max(0, (100 * (row[figure] ?? 0)) / most)}%`, background: Fields.threshold(field, row[figure]) || "var(--blue)" } })),
        el("b", { class: "bar-figure" }, Format.number(row[figure], field.unit, field.decimals)));
    })));
  };
  return { draw, bars };
})();
