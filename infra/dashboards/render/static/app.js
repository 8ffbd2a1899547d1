// The live page: state is the address; every panel asks the server for itself.
"use strict";
(() => {
  const REFRESH = "10s";
  const page = Frame.read();
  const { model, names, stack } = page;
  const main = document.querySelector("main");
  const bar = el("div", { class: "toolbar" });
  let variables = page.variables;
  let cards = [];
  let round = 0;
  let timer = null;
  let state = readState();

  function readState() {
    const query = new URLSearchParams(location.search);
    const found = new Map();
    for (const variable of variables) {
      const given = query.getAll(`var-${variable.name}`);
      const values = given.filter((value) => value !== "$__all" && value !== "");
      const none = variable.all ? [] : variable.value;
      found.set(variable.name, variable.type === "textbox" ? [given[given.length - 1] || ""] : given.includes("$__all") || !values.length ? none : values);
    }
    return {
      from: query.get("from") || model?.time?.from || "now-6h",
      to: query.get("to") || model?.time?.to || "now",
      refresh: query.has("refresh") ? query.get("refresh") : REFRESH,
      variables: found,
    };
  }
  function search() {
    const pairs = [["from", state.from], ["to", state.to]];
    for (const [name, values] of state.variables)
      for (const value of values.length ? values : ["$__all"]) pairs.push([`var-${name}`, value]);
    if (state.refresh !== REFRESH) pairs.push(["refresh", state.refresh]);
    return `?${pairs.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&")}`;
  }
  function change(changed, push = true) {
    state = { ...state, ...changed };
    history[push ? "pushState" : "replaceState"](null, "", location.pathname + search());
    if (push) load();
  }
  const setVariable = (name, values) => change({ variables: new Map(state.variables).set(name, values) });

  function drawBar() {
    const shown = variables.map((variable) => ({ ...variable, options: variable.options || [], value: (state.variables.get(variable.name) || []).filter((value) => value !== "") }));
    bar.replaceChildren(
      el("div", { class: "variables" }, shown.map((variable) => Toolbar.variablePicker(variable, (values) => setVariable(variable.name, values)))),
      el("div", { class: "times" },
        Toolbar.timePicker(state, (from, to) => change({ from, to })),
        Toolbar.refreshPicker(state, (refresh) => { change({ refresh }, false); drawBar(); schedule(); }, () => load())));
    navigation.forEach(([uid, link]) => link.setAttribute("href", uid === model.uid ? `/d/${uid}${search()}` : Links.dashboard(uid, state)));
  }

  // What somebody is choosing or writing there is not taken away from under them.
  function drawBarUnlessUsed() {
    if (!document.querySelector(".menu") && !(document.activeElement?.matches(".text") && bar.contains(document.activeElement))) drawBar();
  }

  async function ask(path, at, signal) {
    const answer = await fetch(`/api/dashboards/${encodeURIComponent(model.uid)}/${path}${search()}&at=${at}`, { signal });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.error || `HTTP ${answer.status}`);
    return body;
  }
  const words = (error) => (error instanceof TypeError ? "The page's server does not answer. `telemetry status` says what runs." : error.message);

  let running = new AbortController();
  async function load() {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    const mine = ++round;
    const at = Date.now();
    drawBarUnlessUsed();
    clearTimeout(timer);
    cards.forEach((card) => card.busy());
    const offered = ask("variables", at, signal).then((found) => {
      if (mine !== round) return;
      variables = found;
      // A text that nobody has chosen yet may come with a value, a trace to begin with.
      const first = found.filter((variable) => variable.type === "textbox" && !state.variables.get(variable.name)[0] && variable.value[0]);
      if (first.length) {
        const values = new Map(state.variables);
        first.forEach((variable) => values.set(variable.name, variable.value));
        change({ variables: values }, false);
      }
      drawBarUnlessUsed();
    }).catch(() => { /* the panels say it */ });
    if (variables.some((variable) => variable.type === "textbox" && !state.variables.get(variable.name)[0])) await offered;
    await Promise.all(cards.map(async (card) => {
      try {
        const answer = await ask(`panels/${card.panel.id}`, at, signal);
        if (mine === round) card.show(answer);
      } catch (error) {
        if (error.name !== "AbortError" && mine === round) card.fail(words(error));
      }
    }));
    if (mine !== round) return;
    // Only now: a busy machine may take longer than the interval, and a new round ends what the old one still waits for.
    schedule();
    document.body.dataset.loaded = String(Number(document.body.dataset.loaded || 0) + 1);
  }

  // Whoever follows a link to a panel, or to a trace, sees it. Cards have their size before they have an answer.
  function wantedPanel() {
    const query = new URLSearchParams(location.search);
    if (performance.getEntriesByType("navigation")[0]?.type === "reload") return null;
    const named = Number(query.get("viewPanel"));
    if (named) return named;
    const texts = variables.filter((variable) => variable.type === "textbox" && variable.name !== "search" && query.get(`var-${variable.name}`));
    return texts.length ? model.panels.find((panel) => panel.type === "traces")?.id : null;
  }
  function goToWanted() {
    const wanted = wantedPanel();
    const card = wanted && cards.find((found) => found.panel.id === wanted);
    if (!card) return;
    const begin = card.panel.type === "traces" ? card.element.closest(".section") : card.element;
    begin.classList.add("shown");
    const above = document.querySelector(".top").offsetHeight + (getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0);
    scrollTo({ top: begin.getBoundingClientRect().top + scrollY - above - 8 });
  }

  function schedule() {
    clearTimeout(timer);
    const unit = { s: 1e3, m: 6e4, h: 36e5 };
    const match = /^(\d+)([smh])$/.exec(state.refresh);
    // What lies in the past does not change.
    if (!match || !state.to.startsWith("now")) return;
    timer = setTimeout(() => (document.hidden ? schedule() : load()), Math.max(2000, match[1] * unit[match[2]]));
  }

  const navigation = names.map(({ uid, name }) => [uid, el("a", { href: `/d/${uid}`, "aria-current": uid === model?.uid ? "page" : null }, name)]);
  document.body.prepend(Frame.head(stack, navigation.map(([, link]) => link)));
  if (!model) {
    main.append(el("div", { class: "told error lost" }, icon("warning", 20), el("span", {}, "There is no such dashboard. Choose one above.")));
    return;
  }
  main.before(bar);
  document.title = `${model.title} · ${stack}`;
  const context = {
    syncCursor: Boolean(model.graphTooltip),
    link: (url, row) => Links.fill(url, state, row),
    zoom: (from, to) => change({ from: String(from), to: String(to) }),
    now: () => Date.now(),
    nothing: () => "Nothing in this time range",
  };
  cards = Layout.build(model, (panel) => Card.make(panel, context), main);
  Theme.onChange(() => cards.forEach((card) => card.draw()));
  addEventListener("popstate", () => { state = readState(); load(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) schedule(); });
  load();
  goToWanted();
})();
