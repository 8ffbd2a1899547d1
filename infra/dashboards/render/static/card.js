// A panel as a card: its title, what it tells, and its answer, error or emptiness.
"use strict";
const Card = (() => {
  const DRAW = {
    timeseries: TimeSeries.draw, stat: Stat.draw, bargauge: Stat.bars, table: Table.draw, logs: Table.logs, traces: Trace.draw, alertlist: Alerts.draw,
  };
  const showQuery = (panel, answer) => {
    const dialog = el("dialog", { class: "query" },
      el("header", {}, el("h3", {}, panel.title), el("span", { class: "muted" }, `answered in ${Format.number(answer.seconds, "s")}, ${answer.rows.length} ${answer.rows.length === 1 ? "row" : "rows"}`),
        el("button", { class: "plain", onclick: () => dialog.close() }, "Close")),
      el("pre", {}, answer.sql.trim()));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };
  const told = (body, state, name, text) => {
    body.drawn?.destroy?.();
    body.drawn = null;
    body.replaceChildren(el("div", { class: `told ${state}` }, icon(name, 20), el("span", {}, text)));
  };

  const make = (panel, context) => {
    let last = null;
    const body = el("div", { class: "card-body" });
    const hint = panel.description
      ? el("span", { class: "hint", tabindex: "0", role: "note", "aria-label": panel.description, "data-hint": panel.description }, icon("info", 14))
      : "";
    // Beside the window's right edge it opens to the left.
    const side = () => hint.classList.toggle("left", hint.getBoundingClientRect().left + 190 > innerWidth);
    if (hint) for (const event of ["pointerenter", "focus"]) hint.addEventListener(event, side);
    const query = el("button", { class: "plain query-button", "aria-label": `Query of ${panel.title}`, title: "The query", hidden: true, onclick: () => last && showQuery(panel, last) }, icon("code", 14));
    const element = el("article", { class: "card", "data-panel": panel.id, "data-type": panel.type, "data-state": "loading", "aria-label": panel.title },
      el("header", { class: "card-head" }, el("h3", { title: panel.title }, panel.title), hint, query), body);
    body.append(el("div", { class: "skeleton" }));
    const state = (name) => { element.dataset.state = name; element.removeAttribute("aria-busy"); };
    const empty = (answer) => !answer.rows.length;
    // What somebody points at or has marked stays as it is until they are done.
    const inUse = () => {
      const marked = getSelection();
      return body.querySelector(".u-over:hover") || (!marked.isCollapsed && body.contains(marked.anchorNode));
    };
    let waiting = false;
    element.addEventListener("pointerleave", () => { if (waiting) draw(); });
    const draw = () => {
      // A folded section has no size to draw in.
      if (!last || !element.isConnected || !body.clientWidth) return;
      const answer = last;
      waiting = false;
      if (empty(answer)) {
        state("empty");
        told(body, "empty", "empty", panel.fieldConfig?.defaults?.noValue || context.nothing(panel));
        return;
      }
      try {
        (DRAW[panel.type] || unknown)(panel, answer, body, context);
        state("drawn");
      } catch (error) {
        fail(`this panel could not be drawn: ${error.message}`);
        console.error(error);
      }
    };
    const unknown = () => { throw new Error(`the page knows no panel of type ${panel.type}`); };
    const fail = (message) => { state("error"); told(body, "error", "warning", message); };
    return {
      panel, element, draw,
      busy: () => element.setAttribute("aria-busy", "true"),
      show: (answer) => {
        // The same rows are drawn already: what was opened in them stays open.
        const same = element.dataset.state === "drawn" && panel.type !== "timeseries" && JSON.stringify(last?.rows) === JSON.stringify(answer.rows);
        last = answer;
        query.hidden = !answer.sql;
        waiting = !same && element.dataset.state === "drawn" && Boolean(inUse());
        if (same || waiting) element.removeAttribute("aria-busy");
        else draw();
      },
      fail: (message) => { last = null; query.hidden = true; fail(message); },
      resized: () => { if (body.drawn?.resize) body.drawn.resize(); else if (!body.drawn) draw(); },
    };
  };
  return { make };
})();
