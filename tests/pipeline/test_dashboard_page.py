"""The dashboards' page in a real browser, on the recorded workload in the real engine: drawn, chosen, clicked, safe."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from infra.config import PROJECT
from infra.dashboards.catalogue import DASHBOARDS, build_all
from tests.oracle import Oracle
from tests.pipeline.dashboard_data import HOURS, SPANS, fill, telling_trace
from tests.pipeline.otlp_messages import span, traces
from tests.pipeline.page_world import STACK, FrontEngine, Site, opened_browser, tab
from tests.workload import requests

ODD = "a'b\"c\\d$__fromTime</script><script>window.hurt = 1</script><img src=x onerror='window.hurt=1'>"


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(requests(SPANS, hours=HOURS))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle) -> Iterator[Site]:
    engine = FrontEngine(tmp_path_factory.mktemp("page"), "otlp_proto")
    fill(engine, next(row.tenant_id for row in oracle.spans))
    site = Site(engine)
    site.start(engine.folder)
    yield site
    assert site.stop() == 0, (engine.folder / "page.log").read_text()
    engine.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def trace(site: Site) -> str:
    return telling_trace(site.engine)


@pytest.mark.parametrize("scheme,width", [("light", 1440), ("dark", 1024)])
@pytest.mark.parametrize("slug", DASHBOARDS)
def test_every_panel_draws(site: Site, browser: Browser, trace: str, slug: str, scheme: str, width: int) -> None:
    panels = [panel for panel in build_all(f"{PROJECT}-{STACK}")[slug]["panels"] if panel["type"] != "row"]
    silent = {panel["title"] for panel in panels if panel["fieldConfig"]["defaults"].get("noValue")}
    # The pipeline's own figures are of today, when the workload of yesterday came in.
    address = site.address(slug, **({"to": "now"} if slug == "health" else {}))
    with tab(browser, scheme, width) as shown:
        shown.open(address + (f"&var-trace_id={trace}" if slug == "traces" else ""))
        cards = shown.cards()
        assert [card["title"] for card in cards] == [panel["title"] for panel in panels]
        for card in cards:
            # An empty one is fine where the dashboard says what its emptiness means.
            wanted = ("drawn", "empty") if card["title"] in silent else ("drawn",)
            assert card["state"] in wanted, card
            assert card["state"] == "empty" or card["drawn"], card
        assert all(url.startswith(site.url) or url.startswith("data:") for url in shown.asked)
        assert shown.page.evaluate(OVERFLOWING) == []
        assert shown.page.evaluate(PALE) == []


def test_a_chosen_variable_filters_and_the_back_button_takes_it_back(
    site: Site, browser: Browser, oracle: Oracle
) -> None:
    tenants = sorted({row.tenant_id for row in oracle.spans})[:2]
    with tab(browser) as shown:
        shown.open(site.address("agents"))
        runs = {tenant: {row.trace_id for row in oracle.spans if row.tenant_id == tenant} for tenant in tenants}
        everything = shown.figure("Runs")
        assert everything == f"{len({row.trace_id for row in oracle.spans}):,}"
        shown.page.click("[data-variable=tenant]")
        for tenant in tenants:
            shown.page.fill(".menu input", tenant)
            shown.page.click(f".menu [data-value='{tenant}']")
        shown.page.keyboard.press("Escape")
        shown.reloaded()
        assert shown.figure("Runs") == f"{len(set().union(*runs.values())):,}"
        assert parse_qs(urlsplit(shown.page.url).query)["var-tenant"] == tenants
        # What can be chosen of the others has narrowed down.
        shown.page.click("[data-variable=service]")
        offered = {item for item in shown.page.locator(".menu .option span").all_inner_texts() if item != "All"}
        assert offered == {row.service_name for row in oracle.spans if row.tenant_id in tenants}
        shown.page.keyboard.press("Escape")
        shown.page.go_back()
        shown.reloaded()
        assert shown.figure("Runs") == everything


def test_a_drill_down_keeps_time_and_variables(site: Site, browser: Browser) -> None:
    with tab(browser) as shown:
        shown.open(site.address("overview", **{"var-environment": "$__all", "refresh": ""}))
        before = parse_qs(urlsplit(shown.page.url).query)
        link = shown.page.locator(".card[aria-label='Top tenants'] tbody a").first
        tenant, usd = link.inner_text(), shown.page.locator(".card[aria-label='Top tenants'] tbody tr td").nth(2)
        dollars = usd.inner_text()
        link.click()
        shown.page.wait_for_selector("nav a[aria-current] >> text=Cost")
        shown.page.wait_for_selector("body[data-loaded]")
        after = parse_qs(urlsplit(shown.page.url).query)
        assert after["var-tenant"] == [tenant] and (after["from"], after["to"]) == (before["from"], before["to"])
        assert shown.figure("Cost") == dollars
        shown.page.go_back()
        shown.page.wait_for_selector("nav a[aria-current] >> text=Overview")
        shown.page.wait_for_selector("body[data-loaded]")


def test_who_stands_out_leads_to_what_is_behind_it(site: Site, browser: Browser) -> None:
    with tab(browser) as shown:
        shown.open(site.address("overview", refresh=""))
        before = parse_qs(urlsplit(shown.page.url).query)
        row = shown.page.locator(".card[aria-label='Tools'] tbody tr").first
        leads = [parse_qs(urlsplit(str(link.get_attribute("href"))).query) for link in row.locator("a").all()]
        tool = row.locator("a").first.inner_text()
        assert {tuple(query["var-tool"]) for query in leads} == {(tool,)} and len(leads) >= 3
        assert all((query["from"], query["to"]) == (before["from"], before["to"]) for query in leads)
        row.locator("a").first.click()
        shown.page.wait_for_selector("nav a[aria-current] >> text=Runs and tools")
        shown.page.wait_for_selector("body[data-loaded]")
        assert shown.page.locator(".card[aria-label='Tools'] tbody tr").count() == 1
        chosen = shown.figure("Runs")
        shown.open(site.address("agents", refresh=""))
        assert shown.figure("Runs") != chosen, "the tool chooses no runs"


def test_a_status_row_leads_to_what_is_behind_it(site: Site, browser: Browser) -> None:
    with tab(browser) as shown:
        shown.open(site.address("overview", refresh="", **{"var-tenant": "acme"}))
        rows = shown.page.locator(".card[aria-label='Status'] tbody tr").all()
        assert rows
        for row in rows:
            for link in row.locator("a").all():
                address = urlsplit(str(link.get_attribute("href")))
                assert address.path == f"/d/{PROJECT}-{STACK}-{row.locator('td').last.inner_text()}"
                assert parse_qs(address.query)["var-tenant"] == ["acme"]
            assert row.locator("a").count() == 2
        rows[0].locator("a").first.click()
        shown.page.wait_for_selector("nav a[aria-current]:not(:text('Overview'))")
        shown.page.wait_for_selector("body[data-loaded]")


def test_what_fires_is_on_the_first_screen_and_leads_to_its_panel(site: Site, browser: Browser) -> None:
    """By the rules that Grafana gets: of the filled engine a budget is crossed, and the newest audit found a difference."""
    prefix = f"{PROJECT}-{STACK}"
    (at,) = (panel["id"] for panel in build_all(prefix)["overview"]["panels"] if panel["type"] == "alertlist")
    body = json.loads(site.get(f"/api/dashboards/{prefix}-overview/panels/{at}")[1])
    names = [column["name"] for column in body["columns"]]
    wanted = [dict(zip(names, row, strict=True)) for row in body["rows"]]
    states = {row["runbook"].partition("#")[2]: row["state"] for row in wanted}
    assert states["budget"] == "firing" and states["audit"] in ("pending", "firing")
    with tab(browser) as shown:
        shown.open(site.address("overview", refresh=""))
        card = shown.page.locator(".card[aria-label='Firing alerts']")
        assert card.locator("li .state").all_inner_texts() == [row["state"] for row in wanted]
        assert [text.splitlines()[-2] for text in card.locator("li").all_inner_texts()] == [
            row["summary"] for row in wanted
        ]
        box = card.bounding_box()
        assert box and box["y"] + box["height"] <= 900
        link = card.locator("a").last
        number = parse_qs(urlsplit(str(link.get_attribute("href"))).query)["viewPanel"][0]
        link.click()
        shown.page.wait_for_selector(f".card.shown[data-panel='{number}']")
        shown.page.wait_for_selector("body[data-loaded]")
        assert in_sight(shown.page, f".card[data-panel='{number}']")


def in_sight(page: Page, selector: str) -> bool:
    box = page.locator(selector).bounding_box()
    return bool(box and 50 <= box["y"] < 600)


def test_an_opened_trace_is_in_sight(site: Site, browser: Browser) -> None:
    with tab(browser) as shown:
        # Nobody has opened one: the search comes first.
        shown.open(site.address("traces", refresh=""))
        assert shown.page.evaluate("scrollY") == 0
        link = shown.page.locator(".card[aria-label='Traces'] tbody a").nth(2)
        link.click()
        shown.page.wait_for_selector(".shown .card[data-type=traces][data-state=drawn]")
        assert in_sight(shown.page, ".card[data-type=traces]")
        shown.open(site.address("agents", refresh=""))
        shown.page.locator(".card[aria-label='Runs with the most loops'] tbody td.id a").first.click()
        shown.page.wait_for_selector(".shown .card[data-type=traces][data-state=drawn]")
        assert in_sight(shown.page, ".card[data-type=traces]")


def test_a_legend_names_who_has_most_first(site: Site, browser: Browser, oracle: Oracle) -> None:
    spent: dict[str, float] = {}
    for row in oracle.spans:
        if row.is_inference:
            spent[row.lifted["model"]] = spent.get(row.lifted["model"], 0.0) + float(row.cost_usd or 0)
    with tab(browser) as shown:
        shown.open(site.address("overview", refresh=""))
        names = shown.page.locator(".card[aria-label='Cost a minute by model'] .legend-entry span").all_inner_texts()
        known = [name for name in names if spent[name]]
        assert known == sorted(known, key=lambda name: -spent[name]) and len(known) > 2
        assert names[: len(known)] == known, "what is unpriced comes last"


def test_the_trace_s_tree_its_details_and_folding(site: Site, browser: Browser, oracle: Oracle, trace: str) -> None:
    spans = {row.span_id.hex(): row for row in oracle.spans if row.trace_id.hex() == trace}

    def depth(span_id: str) -> int:
        parent = spans[span_id].parent_span_id.hex()
        return 1 + depth(parent) if parent in spans else 1

    with tab(browser) as shown:
        shown.open(site.address("traces"))
        # Nobody chose one: the page shows one that tells something, and says which in its address.
        first = parse_qs(urlsplit(shown.page.url).query)["var-trace_id"][0]
        assert first in {row.trace_id.hex() for row in oracle.spans}
        shown.page.fill("input[data-variable=trace_id]", trace)
        shown.page.keyboard.press("Enter")
        shown.reloaded()
        rows = shown.page.eval_on_selector_all(
            ".span-row", "rows => rows.map(r => [r.dataset.span, Number(r.ariaLevel)])"
        )
        assert dict(rows) == {span_id: depth(span_id) for span_id in spans} and len(rows) == len(spans)
        root = next(span_id for span_id in spans if depth(span_id) == 1)
        shown.page.click(f".span-row[data-span='{root}'] .span-line")
        details = shown.page.inner_text(".span-details")
        assert root in details and "gen_ai" in details
        assert shown.page.locator(".span-event").count() > 0
        shown.page.click(f".span-row[data-span='{root}'] .fold")
        assert shown.page.locator(".span-row:visible").count() == 1


def test_time_range_refresh_and_theme(site: Site, browser: Browser) -> None:
    with tab(browser) as shown:
        shown.open(site.address("overview"))
        chart = shown.page.locator(".card[aria-label='Latency'] .u-over")
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        assert box
        shown.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
        assert "p95" in shown.page.inner_text(".tooltip")
        shown.page.mouse.down()
        shown.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
        before = parse_qs(urlsplit(shown.page.url).query)
        shown.page.mouse.up()
        shown.reloaded()
        zoomed = parse_qs(urlsplit(shown.page.url).query)
        quarter = (int(before["to"][0]) - int(before["from"][0])) / 4
        assert int(zoomed["to"][0]) - int(zoomed["from"][0]) == pytest.approx(quarter, rel=0.05)
        shown.page.click("[data-control=time]")
        shown.page.click("[data-range='now-15m']")
        shown.reloaded()
        assert parse_qs(urlsplit(shown.page.url).query)["from"] == ["now-15m"]
        shown.page.click("[data-control=interval]")
        shown.page.click(".menu >> text=5s")
        shown.reloaded()  # by itself
        shown.page.click("[data-control=theme]")
        assert shown.page.evaluate("document.documentElement.dataset.theme") == "dark"
        shown.page.reload()
        assert shown.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_names_from_outside_are_text_and_safe_in_sql(site: Site, browser: Browser) -> None:
    tenant = f"odd-{secrets.token_hex(3)}"
    values = {"gen_ai.operation.name": "chat", "gen_ai.request.model": ODD, "gen_ai.agent.name": ODD}
    odd = span(ODD, values, trace_id=secrets.token_bytes(16), status={"code": 2, "message": ODD})
    site.engine.send(traces(tenant, odd, resource={"service.name": ODD}).SerializeToString())
    address = f"?from=now-15m&to=now&var-tenant={tenant}"
    with tab(browser) as shown:
        for slug in ("overview", "cost", "agents", "traces"):
            shown.open(f"{site.url}/d/{PROJECT}-{STACK}-{slug}{address}&var-agent={quote(ODD)}&refresh=")
            cards = shown.cards()
            assert not [card for card in cards if card["state"] == "error"]
            assert any(ODD[:12] in card["text"] for card in cards), slug
        assert shown.page.locator(".span-row").count() == 1
        shown.page.click(".span-row")
        assert shown.page.evaluate("window.hurt") is None
        assert shown.page.locator("img").count() == 0


def test_the_server_answers_only_its_own_page_and_only_reads(site: Site) -> None:
    api = f"/api/dashboards/{PROJECT}-{STACK}-overview"
    panel = f"{api}/panels/2"
    assert site.get(panel)[0] == 200
    assert site.get(panel, Host="telemetry.example.com")[0] == 400
    assert site.get(panel, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert site.get(panel, method)[0] == 405
    assert site.get("/static/../app.py")[0] == 404
    for query, says in {
        "?from=yesterday": "from: found 'yesterday'",
        "?from=now&to=now-1h": "has to begin before it ends",
        f"?var-tenant={'x' * 2001}": "var-tenant",
    }.items():
        status, body = site.get(panel + query)
        assert status == 400 and says in json.loads(body)["error"]
    assert site.get(f"{api}/panels/9999")[0] == 400
    assert site.get("/d/nothing")[0] == 404
    assert site.get("/")[0] == 200
    status, body = site.get(f"{api}/panels/3?var-tenant={quote(chr(39) + ') OR 1=1 --')}&var-tenant={quote(chr(92))}")
    assert status == 200 and json.loads(body)["rows"] == []


OVERFLOWING = """
() => {
  const wide = [...document.querySelectorAll('.card-body > :not(.scroll), .card-head, .top, .toolbar, .legend')]
    .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'visible').map(e => e.className);
  return document.documentElement.scrollWidth > innerWidth ? [...wide, 'the page'] : wide;
}
"""
"""What sticks out of the place that it has."""
PALE = """
() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => { const f = [r, g, b].map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > .9) return c; } return [255, 255, 255]; };
  const found = new Set();
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(e);
    if (!own || style.visibility === 'hidden' || !e.getClientRects().length || e.closest('.span-line, script, noscript')) continue;
    const [a, b] = [light(parse(style.color)), light(ground(e))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    if ((a + .05) / (b + .05) < (large ? 3 : 4.5)) found.add(`${e.className || e.tagName}: ${((a + .05) / (b + .05)).toFixed(2)} ${e.textContent.slice(0, 30)}`);
  }
  return [...found];
}
"""
"""Texts with less contrast than WCAG AA asks for."""
