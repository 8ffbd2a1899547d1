// What a dashboard's JSON says about a column: unit, colours by threshold, links. As Grafana reads it.
"use strict";
const Fields = (() => {
  const matches = (matcher, name) => {
    if (matcher.id === "byName") return matcher.options === name;
    if (matcher.id !== "byRegexp") return false;
    const [, body, flags] = /^\/(.*)\/([a-z]*)$/.exec(matcher.options) || [null, `^(?:${matcher.options})$`, ""];
    return new RegExp(body, flags).test(name);
  };
  const of = (panel, name) => {
    const found = { ...(panel.fieldConfig?.defaults || {}) };
    for (const override of panel.fieldConfig?.overrides || [])
      if (matches(override.matcher, name)) for (const { id, value } of override.properties) found[id] = value;
    return found;
  };
  const COLORS = ["green", "orange", "red", "yellow", "blue", "purple"];
  // Grafana's colour names (semi-dark-red and so on) in the theme's own shades.
  const color = (name) => {
    if (!name || name === "text" || name === "transparent") return "";
    const base = COLORS.find((known) => name.endsWith(known));
    return base ? `var(--${base})` : /^#[0-9a-f]{3,8}$/i.test(name) ? name : "";
  };
  // A text's colour, by a value mapping.
  const mapped = (field, value) => (field.mappings || []).map((mapping) => (mapping.type === "value" ? mapping.options?.[String(value)]?.color : "")).find(Boolean);
  const threshold = (field, value) => {
    const named = mapped(field, value);
    if (named) return color(named);
    const steps = field.thresholds?.steps || [];
    let found = null;
    if (typeof value === "number") for (const step of steps) if (step.value === null || step.value === undefined || value >= step.value) found = step;
    return found ? color(found.color) : "";
  };
  const text = (value, kind, field) => {
    if (value === null || value === undefined || value === "") return "–";
    if (kind === "time") return Format.moment(value);
    if (typeof value === "number") return Format.number(value, field.unit, field.decimals);
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  };
  return { of, color, threshold, text };
})();
