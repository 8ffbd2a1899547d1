// Grafana's trace panel: the spans as a tree beside their times; a click opens a span's attributes and events.
"use strict";
const Trace = (() => {
  const ROWS = 2000;
  const spansOf = (answer) => {
    const names = answer.columns.map((column) => column.name);
    return answer.rows.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]])));
  };

  // Parents before children, children by their start. A span whose parent is not there is a root of its own.
  const tree = (spans) => {
    const byId = new Map(spans.map((span) => [span.spanID, span]));
    const children = new Map();
    const roots = [];
    for (const span of [...spans].sort((a, b) => a.startTime - b.startTime)) {
      const parent = span.parentSpanID && span.parentSpanID !== span.spanID && byId.get(span.parentSpanID);
      if (parent) children.set(parent.spanID, [...(children.get(parent.spanID) || []), span]);
      else roots.push(span);
    }
    const found = [];
    const seen = new Set();
    const walk = (span, depth, above) => {
      if (seen.has(span.spanID)) return;
      seen.add(span.spanID);
      const below = children.get(span.spanID) || [];
      found.push({ span, depth, above, below: below.length });
      below.forEach((child) => walk(child, depth + 1, [...above, span.spanID]));
    };
    roots.forEach((root) => walk(root, 0, []));
    // A circle of parents has no root: its spans are shown all the same.
    spans.forEach((span) => walk(span, 0, []));
    return found;
  };

  const pairs = (tags) => (tags || []).map((tag) => [tag.key, tag.value]);
  const listing = (title, entries) => (entries.length
    ? el("section", {}, el("h4", {}, title), el("dl", {}, entries.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, String(value))])))
    : "");
  const details = (span, begin) => el("div", { class: "span-details" },
    listing("Span", [["span id", span.spanID], ["service", span.serviceName], ["began after", Format.number(span.startTime - begin, "ms")], ["duration", Format.number(span.duration, "ms")],
      ...(span.statusCode === 2 ? [["status", `error ${span.statusMessage || ""}`]] : [])]),
    ...(span.logs || []).map((event) => {
      const entries = pairs(event.fields);
      const name = event.name || entries.find(([key]) => key === "message")?.[1] || "event";
      return listing(`${name} at ${Format.number(event.timestamp - begin, "ms")}`, entries.filter(([key]) => key !== "message"));
    }),
    listing("Attributes", pairs(span.tags)), listing("Resource", pairs(span.serviceTags)));

  const ruler = (length) => el("div", { class: "ruler" }, [0, 0.25, 0.5, 0.75, 1].map((part) =>
    el("span", { style: { left: `${part * 100}%` } }, Format.number(length * part, "ms"))));

  // A bar's time: right of it, else inside its end, else left of it.
  const label = (span, from, width) => {
    const text = Format.number(span.duration, "ms");
    if (from + width <= 85) return el("span", { class: "span-time", style: { left: `${from + width}%` } }, text);
    if (width > 15) return el("span", { class: "span-time inside", style: { right: `${100 - from - width}%` } }, text);
    return el("span", { class: "span-time", style: { right: `${100 - from}%` } }, text);
  };

  const draw = (panel, answer, body) => {
    const spans = spansOf(answer);
    const key = JSON.stringify(answer.rows);
    if (body.drawn?.key === key) return;
    const begin = Math.min(...spans.map((span) => span.startTime));
    const end = Math.max(...spans.map((span) => span.startTime + span.duration));
    const length = Math.max(end - begin, 1e-6);
    const services = [...new Set(spans.map((span) => span.serviceName))];
    const colorOf = (service) => `var(--series-${(services.indexOf(service) % 12) + 1})`;
    const closed = new Set();
    const rows = tree(spans).slice(0, ROWS).map(({ span, depth, above, below }) => {
      const failed = span.statusCode === 2;
      const from = (100 * (span.startTime - begin)) / length;
      const width = Math.max(0.15, (100 * span.duration) / length);
      const fold = below ? el("button", { class: "fold", "aria-expanded": "true", "aria-label": `Fold ${span.operationName}` }, icon("down", 14)) : el("i", { class: "fold" });
      const bar = el("div", { class: "span-line" },
        el("i", { class: "span-bar", style: { left: `${from}%`, width: `${width}%`, background: failed ? "var(--red)" : colorOf(span.serviceName) } }),
        (span.logs || []).map((event) => el("i", { class: "span-event", title: event.name || "event", style: { left: `${(100 * (event.timestamp - begin)) / length}%` } })),
        label(span, from, width));
      const row = el("div", { class: `span-row${failed ? " failed" : ""}`, role: "treeitem", tabindex: "0", "aria-level": String(depth + 1), "data-span": span.spanID, "data-parent": span.parentSpanID || null },
        el("div", { class: "span-name", style: { "padding-left": `${8 + depth * 16}px` } },
          fold, el("i", { class: "swatch", style: { background: colorOf(span.serviceName) } }), failed ? icon("warning", 14) : "",
          el("b", { title: span.operationName }, span.operationName), el("span", { class: "muted" }, span.serviceName)),
        bar);
      let opened = null;
      const toggle = () => {
        if (opened) { opened.remove(); opened = null; } else { opened = details(span, begin); row.after(opened); }
        row.classList.toggle("open", Boolean(opened));
      };
      row.addEventListener("click", (event) => { if (!event.target.closest("button.fold")) toggle(); });
      row.addEventListener("keydown", (event) => { if (event.key === "Enter") toggle(); });
      if (below) fold.addEventListener("click", () => {
        closed.has(span.spanID) ? closed.delete(span.spanID) : closed.add(span.spanID);
        fold.setAttribute("aria-expanded", String(!closed.has(span.spanID)));
        rows.forEach((other) => {
          other.row.hidden = other.above.some((id) => closed.has(id));
          if (other.row.hidden && other.opened()) other.close();
        });
      });
      return { row, above, opened: () => opened, close: toggle };
    });
    const failures = spans.filter((span) => span.statusCode === 2).length;
    body.replaceChildren(
      el("div", { class: "trace-head" },
        el("div", { class: "trace-services" }, services.map((service) => el("span", {}, el("i", { class: "swatch", style: { background: colorOf(service) } }), service)),
          el("span", { class: "muted" }, `${spans.length} ${spans.length === 1 ? "span" : "spans"}${failures ? `, ${failures} failed` : ""}${spans.length > ROWS ? `, the first ${ROWS} shown` : ""}`)),
        ruler(length)),
      el("div", { class: "scroll trace", role: "tree", tabindex: "0" }, rows.map(({ row }) => row)));
    body.drawn = { kind: "trace", key };
  };
  return { draw };
})();
