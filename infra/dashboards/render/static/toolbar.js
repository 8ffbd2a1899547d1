// Time range, refresh and variables: what a person chooses.
"use strict";
const Toolbar = (() => {
  const RANGES = [["now-5m", "Last 5 minutes"], ["now-15m", "Last 15 minutes"], ["now-30m", "Last 30 minutes"], ["now-1h", "Last hour"], ["now-3h", "Last 3 hours"],
    ["now-6h", "Last 6 hours"], ["now-12h", "Last 12 hours"], ["now-24h", "Last 24 hours"], ["now-2d", "Last 2 days"], ["now-7d", "Last 7 days"], ["now-30d", "Last 30 days"]];
  const REFRESHES = ["", "5s", "10s", "30s", "1m", "5m"];

  const momentOf = (text) => (/^\d+$/.test(text) ? new Date(Number(text)) : new Date(text));
  const rangeName = ({ from, to }) => {
    const known = to === "now" && RANGES.find(([begin]) => begin === from);
    if (known) return known[1];
    const back = (text) => {
      const [, many, unit] = /^now-(\d+)([smhdwMy])$/.exec(text) || [];
      return many && `${many} ${{ s: "second", m: "minute", h: "hour", d: "day", w: "week", M: "month", y: "year" }[unit]}${many === "1" ? "" : "s"}`;
    };
    if (to === "now" && back(from)) return `Last ${back(from)}`;
    if (back(from) && back(to)) return `${back(from)} to ${back(to)} ago`;
    const named = (text) => (text.startsWith("now") || Number.isNaN(momentOf(text).getTime()) ? text : `${Format.day(momentOf(text))} ${Format.clock(momentOf(text), false)}`);
    return `${named(from)} to ${named(to)}`;
  };
  const forInput = (text) => {
    const back = /^now(?:-(\d+)([smhdw]))?$/.exec(text);
    const unit = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
    const at = back ? new Date(Date.now() - (Number(back[1] || 0) * (unit[back[2]] || 0)) * 1000) : momentOf(text);
    if (Number.isNaN(at.getTime())) return "";
    return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  };
  const menuButton = (attributes, content, menu) => {
    const button = el("button", { "aria-haspopup": "dialog", "aria-expanded": "false", ...attributes }, content, icon("down", 13));
    button.addEventListener("click", () => { const { element, closed } = menu(button); Menu.toggle(button, element, closed); });
    return button;
  };

  const timePicker = (state, choose) => menuButton({ class: "control", "data-control": "time", title: "Time range" }, [icon("clock", 15), el("span", {}, rangeName(state))], () => {
    const [from, to] = ["From", "To"].map((label, at) => el("label", {}, label, el("input", { type: "datetime-local", value: forInput(at ? state.to : state.from) })));
    const absolute = el("form", { class: "absolute", onsubmit: (event) => {
      event.preventDefault();
      const [begin, end] = [from, to].map((label) => new Date(label.querySelector("input").value).getTime());
      const late = el("p", { class: "problem" }, "The range has to begin before it ends.");
      absolute.querySelector(".problem")?.remove();
      if (!(begin < end)) { absolute.append(late); return; }
      Menu.close();
      choose(String(begin), String(end));
    } }, el("h4", {}, "From and to"), from, to, el("button", { class: "primary", type: "submit" }, "Apply"));
    const quick = el("div", { class: "quick" }, RANGES.map(([begin, name]) =>
      el("button", { class: "option", "data-range": begin, "aria-current": state.to === "now" && state.from === begin ? "true" : null, onclick: () => { Menu.close(); choose(begin, "now"); } }, name)));
    return { element: el("div", { class: "menu time-menu", role: "dialog", "aria-label": "Time range" }, quick, absolute) };
  });

  const refreshPicker = (state, choose, now) => el("div", { class: "joined" },
    el("button", { class: "control", "data-control": "refresh", title: "Ask again now", "aria-label": "Refresh", onclick: now }, icon("refresh", 15)),
    menuButton({ class: "control", title: "How often it asks by itself", "data-control": "interval" }, el("span", {}, state.refresh || "Off"), () => ({
      element: el("div", { class: "menu", role: "dialog", "aria-label": "Refresh" }, REFRESHES.map((every) =>
        el("button", { class: "option", "aria-current": state.refresh === every ? "true" : null, onclick: () => { Menu.close(); choose(every); } }, every || "Off"))),
    })));

  const chosenName = (variable) => {
    if (!variable.value.length) return variable.all ? "All" : "none";
    return variable.value.length > 2 ? `${variable.value.length} chosen` : variable.value.join(", ");
  };
  const variableMenu = (variable, choose) => {
    const picked = new Set(variable.value);
    const all = [...new Set([...variable.value, ...variable.options])];
    const list = el("div", { class: "options", role: "listbox", "aria-label": variable.label, "aria-multiselectable": String(variable.multi) });
    const fill = (text = "") => {
      const entry = (value, name, on) => el("button", { class: "option check", role: "option", "aria-selected": String(on), "data-value": value ?? "$__all", onclick: () => {
        if (value === null) picked.clear();
        else if (!variable.multi) { picked.clear(); picked.add(value); }
        else if (picked.has(value)) picked.delete(value);
        else picked.add(value);
        if (variable.multi) fill(search.value); else Menu.close();
      } }, el("i", { class: "box" }, icon("check", 12)), el("span", {}, name));
      const fitting = all.filter((value) => value.toLowerCase().includes(text.toLowerCase()));
      list.replaceChildren(variable.all && !text ? entry(null, "All", !picked.size) : "", ...fitting.map((value) => entry(value, value, picked.has(value))),
        fitting.length ? "" : el("p", { class: "muted none" }, variable.error || (all.length ? "No such name" : "Nothing to choose in this time range")));
    };
    const search = el("input", { type: "search", placeholder: "Search", "aria-label": `Search ${variable.label}`, oninput: () => fill(search.value) });
    fill();
    const closed = () => {
      const values = all.filter((value) => picked.has(value));
      if (values.join("\n") !== variable.value.join("\n")) choose(values);
    };
    return { element: el("div", { class: "menu variable-menu", role: "dialog", "aria-label": variable.label }, search, list), closed };
  };
  const variablePicker = (variable, choose) => {
    if (variable.type === "textbox") {
      const input = el("input", { type: "text", class: "text", value: variable.value[0] || "", placeholder: variable.description || "Any", "aria-label": variable.label, spellcheck: "false", autocomplete: "off", "data-variable": variable.name });
      input.addEventListener("change", () => choose([input.value.trim()]));
      return el("label", { class: "control labelled text-control" }, el("span", { class: "muted" }, variable.label), input);
    }
    return menuButton({ class: `control labelled${variable.all && variable.value.length ? " chosen" : ""}`, "data-variable": variable.name, title: variable.value.join(", ") || null },
      [el("span", { class: "muted" }, variable.label), el("span", { class: "value" }, chosenName(variable))], () => variableMenu(variable, choose));
  };
  return { timePicker, refreshPicker, variablePicker, chosenName, rangeName };
})();
