// The report: every dashboard with the answers that came with the file. It asks nobody for anything.
"use strict";
(() => {
  const page = Frame.read();
  const main = document.querySelector("main");
  const bar = el("div", { class: "toolbar" });
  const made = Format.moment(page.made);
  let cards = [];
  const show = () => {
    const uid = decodeURIComponent(location.hash.slice(1));
    const board = page.boards.find((found) => found.model.uid === uid) || page.boards[0];
    links.forEach(([other, link]) => (other === board.model.uid ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current")));
    cards.forEach((card) => card.element.remove());
    main.replaceChildren();
    bar.replaceChildren(
      el("div", { class: "variables" }, board.variables.map((variable) =>
        el("span", { class: "control labelled fixed" }, el("span", { class: "muted" }, variable.label), el("span", { class: "value" }, variable.type === "textbox" ? variable.value[0] || "any" : Toolbar.chosenName(variable))))),
      el("div", { class: "times" }, el("span", { class: "control fixed" }, icon("clock", 15), el("span", {}, Toolbar.rangeName(board)), el("span", { class: "muted" }, `as of ${made}`))));
    document.title = `${board.model.title} · ${page.stack}`;
    const context = { syncCursor: Boolean(board.model.graphTooltip), link: () => null, now: () => page.made, nothing: () => "Nothing in this time range" };
    cards = Layout.build(board.model, (panel) => Card.make(panel, context), main);
    for (const card of cards) {
      const answer = board.answers[card.panel.id];
      if (answer.error) card.fail(answer.error);
      else card.show(answer);
    }
    document.body.dataset.loaded = board.model.uid;
  };
  const links = page.boards.map((board, at) => [board.model.uid, el("a", { href: `#${encodeURIComponent(board.model.uid)}` }, page.names[at].name)]);
  document.body.prepend(Frame.head(page.stack, links.map(([, link]) => link)));
  main.before(bar);
  Theme.onChange(() => cards.forEach((card) => card.draw()));
  addEventListener("hashchange", show);
  show();
})();
