// Grafana's list of alerts: what fires or is about to, each with its panel behind it.
"use strict";
const Alerts = (() => {
  const COLORS = { firing: "red", unknown: "orange", pending: "orange" };
  const age = (since, at) => Format.number(Math.max(0, Math.round((at - since) / 6e4)) * 60, "s").replace(/^0 s$/, "just now");

  const draw = (panel, answer, body, context) => {
    const at = Object.fromEntries(answer.columns.map((column, index) => [column.name, index]));
    body.replaceChildren(el("div", { class: "scroll", tabindex: "0" }, el("ol", { class: "alerts" }, answer.rows.map((row) => {
      const [state, summary] = [row[at.state], row[at.summary]];
      const address = row[at.dashboard] ? context.link(row[at.dashboard]) : null;
      const says = `${summary}. ${row[at.description]} What to do: ${row[at.runbook]}`;
      return el("li", { title: says },
        el("span", { class: "state", style: { color: `var(--${COLORS[state] || "orange"})` } }, state),
        el("span", { class: "severity" }, row[at.severity]),
        address ? el("a", { href: address }, summary) : el("span", { class: "summary" }, summary),
        el("time", {}, age(row[at.since], context.now())));
    }))));
  };
  return { draw };
})();
