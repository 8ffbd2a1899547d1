// Grafana's time series panel, drawn by uPlot: lines or stacked areas, a legend that hides, a tooltip, zoom by dragging.
"use strict";
const TimeSeries = (() => {
  const TOOLTIP_ROWS = 14;
  const FILLED = 2;

  const axisSize = (plot, values) => {
    const longest = (values || []).reduce((most, text) => Math.max(most, text.length), 0);
    return Math.max(36, 14 + longest * 6.4);
  };

  const tooltip = (shown, field, hidden, stacked) => {
    const box = el("div", { class: "tooltip", role: "presentation" });
    const move = (plot) => {
      const { idx, left, top } = plot.cursor;
      // The crosshair is shared by all panels; the figures are told where the pointer is.
      if (idx === null || idx === undefined || !plot.over.matches(":hover")) { box.remove(); return; }
      const entries = shown.lines
        .filter((line) => !hidden.has(line.name) && line.values[idx] !== null && line.values[idx] !== undefined)
        .map((line) => ({ line, value: line.values[idx] }))
        .filter((entry) => !stacked || entry.value !== 0)
        .sort((a, b) => b.value - a.value);
      const rest = entries.length - TOOLTIP_ROWS;
      box.replaceChildren(
        el("div", { class: "tooltip-time" }, Format.moment(shown.times[idx] * 1000)),
        ...entries.slice(0, TOOLTIP_ROWS).map(({ line, value }) =>
          el("div", { class: "tooltip-row" },
            el("i", { class: "swatch", style: { background: `var(--${line.color})` } }),
            el("span", { class: "tooltip-name" }, line.name),
            el("b", {}, Format.number(value, field(line).unit, field(line).decimals)))),
        entries.length ? "" : el("div", { class: "tooltip-row" }, "nothing then"),
        rest > 0 ? el("div", { class: "tooltip-row muted" }, `and ${rest} more`) : "");
      document.body.append(box);
      const area = plot.over.getBoundingClientRect();
      const beside = area.left + left + 16;
      const over = beside + box.offsetWidth > innerWidth - 8;
      box.style.left = `${(over ? area.left + left - box.offsetWidth - 16 : beside) + scrollX}px`;
      box.style.top = `${Math.max(8, Math.min(area.top + top - 12, innerHeight - box.offsetHeight - 8)) + scrollY}px`;
    };
    return { hooks: { setCursor: [move], destroy: [() => box.remove()] } };
  };

  const options = (panel, answer, shown, hidden, stacked, size, context) => {
    const fields = new Map(shown.lines.map((line) => [line, Fields.of(panel, line.column)]));
    const field = (line) => fields.get(line) || {};
    const main = shown.lines[0] ? field(shown.lines[0]) : panel.fieldConfig?.defaults || {};
    const opacity = (panel.fieldConfig?.defaults?.custom?.fillOpacity ?? 0) / 100;
    // Areas of many lines over each other are mud: those are lines alone.
    const filled = opacity && (stacked || shown.lines.length <= FILLED);
    const fill = (line) => (filled ? Theme.color(line.color) + Math.round((opacity + (stacked ? 0.2 : 0)) * 255).toString(16).padStart(2, "0") : undefined);
    const text = Theme.color("muted");
    const axis = { stroke: text, font: `11px ${Theme.color("font")}`, ticks: { show: false }, grid: { stroke: Theme.color("grid"), width: 1 } };
    return {
      ...size,
      padding: [10, 10, 0, 4],
      legend: { show: false },
      scales: {
        x: { time: true, range: [answer.from / 1000, answer.to / 1000] },
        y: { range: (_, low, high) => {
          const least = main.min ?? (low ?? 0) - ((high ?? 0) - (low ?? 0)) * 0.06;
          const most = main.max ?? (high === null || high <= least ? least + 1 : high + (high - least) * 0.06);
          return [least, most];
        } },
      },
      axes: [
        { ...axis, space: 64, size: 26, values: (_, splits, __, ___, step) => splits.map((at) => Format.mark(at * 1000, step)) },
        { ...axis, space: 30, size: axisSize, incrs: Format.steps(main.unit), values: (_, splits) => splits.map((value) => Format.tick(value, main.unit)) },
      ],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        points: { size: 7, width: 2, stroke: (plot, at) => Theme.color(shown.lines[at - 1].color), fill: () => Theme.color("card") },
        ...(context.syncCursor ? { sync: { key: "page", scales: ["x", null] } } : {}),
      },
      series: [{}, ...shown.lines.map((line) => ({
        label: line.name,
        show: !hidden.has(line.name),
        stroke: Theme.color(line.color),
        width: stacked ? 1 : 1.75,
        fill: fill(line),
        points: { show: true, size: 4, filter: lonely },
      }))],
      bands: stacked ? bands(shown.lines, hidden) : [],
      plugins: [tooltip(shown, field, hidden, stacked)],
      hooks: { setSelect: [(plot) => {
        const { left, width } = plot.select;
        if (width < 6) return;
        const at = (x) => Math.round(plot.posToVal(x, "x") * 1000);
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        context.zoom?.(at(left), at(left + width));
      }] },
    };
  };

  const bands = (all, hidden) => {
    const seen = all.flatMap((line, index) => (hidden.has(line.name) ? [] : [index + 1]));
    return seen.slice(1).map((upper, index) => ({ series: [upper, seen[index]] }));
  };

  // A point without a neighbour is no line: it is drawn as a dot.
  const lonely = (plot, at) => {
    const values = plot.data[at];
    const none = (value) => value === null;
    // undefined is drawn over, so what lies beyond it is the neighbour.
    return values.flatMap((value, index) => (value !== null && value !== undefined
      && (index === 0 || none(values[index - 1])) && (index === values.length - 1 || none(values[index + 1])) ? [index] : []));
  };

  const draw = (panel, answer, body, context) => {
    const stacked = panel.fieldConfig?.defaults?.custom?.stacking?.mode === "normal";
    const shown = Series.wide(answer, stacked);
    const kept = body.drawn?.kind === "timeseries" ? body.drawn.hidden : new Set();
    const hidden = new Set([...kept].filter((name) => shown.lines.some((line) => line.name === name)));
    const area = el("div", { class: "chart" });
    const legend = el("div", { class: "legend", role: "list" });
    const withLegend = panel.options?.legend?.showLegend !== false;
    body.drawn?.destroy?.();
    body.replaceChildren(area, ...(withLegend ? [legend] : []));
    let plot = null;
    const paint = () => {
      plot?.destroy();
      const size = { width: Math.max(80, area.clientWidth), height: Math.max(60, area.clientHeight) };
      const data = [shown.times, ...(stacked ? Series.stack(shown.lines, hidden) : shown.lines.map((line) => line.values))];
      plot = new uPlot(options(panel, answer, shown, hidden, stacked, size, context), data, area);
    };
    const choose = (name, alone) => {
      const others = shown.lines.map((line) => line.name).filter((other) => other !== name);
      if (!alone) hidden.has(name) ? hidden.delete(name) : hidden.add(name);
      else if (others.every((other) => hidden.has(other)) && !hidden.has(name)) hidden.clear();
      else { hidden.clear(); others.forEach((other) => hidden.add(other)); }
      entries.forEach((entry, key) => entry.setAttribute("aria-pressed", String(!hidden.has(key))));
      paint();
    };
    const field = (line) => Fields.of(panel, line.column);
    const amounts = new Map(shown.lines.map((line) => [line, Series.amount(line, stacked)]));
    // Colours go by name and stay; the legend goes by amount, as the dashboard asks for.
    const inOrder = panel.options?.legend?.sortBy === "Mean" && panel.options.legend.sortDesc
      ? [...shown.lines].sort((a, b) => (amounts.get(b) ?? -Infinity) - (amounts.get(a) ?? -Infinity)) : shown.lines;
    const entries = new Map(inOrder.map((line) => [line.name,
      el("button", { class: "legend-entry", role: "listitem", "aria-pressed": String(!hidden.has(line.name)), title: `${line.name} – click: this alone, Ctrl-click: hide`,
                     onclick: (event) => choose(line.name, !(event.ctrlKey || event.metaKey)) },
        el("i", { class: "swatch", style: { background: `var(--${line.color})` } }), el("span", {}, line.name),
        el("b", {}, Format.number(amounts.get(line), field(line).unit, field(line).decimals)))]));
    legend.append(...entries.values());
    paint();
    body.drawn = { kind: "timeseries", hidden, resize: paint, destroy: () => plot?.destroy() };
  };
  return { draw };
})();
