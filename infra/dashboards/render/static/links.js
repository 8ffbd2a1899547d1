// Data links and dashboard links: Grafana's placeholders filled from the address and the clicked row.
"use strict";
const Links = (() => {
  const query = (pairs) => pairs.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
  const variable = (state, name) => {
    if (!state.variables.has(name)) return [];
    const values = state.variables.get(name);
    return (values.length ? values : ["$__all"]).map((value) => [`var-${name}`, value]);
  };
  const time = (state) => [["from", state.from], ["to", state.to]];
  // The address that `template` gives for a row ({column: value}); null when it is none that a page may open.
  const fill = (template, state, row = {}) => {
    const filled = template.replace(/\$\{([^}]+)\}/g, (whole, inside) => {
      const [name, form] = inside.split(":");
      if (name === "__url_time_range") return query(time(state));
      if (name === "__all_variables") return query([...state.variables.keys()].flatMap((key) => variable(state, key)));
      if (name === "__from" || name === "__to") return encodeURIComponent(name === "__from" ? state.from : state.to);
      const field = /^__data\.fields(?:\.(\w+)|\[["'](.+)["']\])$/.exec(name);
      if (field) return encodeURIComponent(row[field[1] ?? field[2]] ?? "");
      if (form === "queryparam") return query(variable(state, name));
      return encodeURIComponent((state.variables.get(name) || []).join(","));
    });
    const address = filled.replace(/([?&])&+/g, "$1").replace(/[?&]$/, "");
    return /^(\/(?!\/)|https?:\/\/)/.test(address) ? address : null;
  };
  const dashboard = (uid, state) =>
    `/d/${encodeURIComponent(uid)}?${query([...time(state), ...[...state.variables.keys()].flatMap((key) => variable(state, key))])}`;
  return { fill, dashboard };
})();
