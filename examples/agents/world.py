"""The demo's world: who the tenants are, which models, tools, agents and workflows they use, and the plot.

The plot: the tool `warehouse_query` is slow, the agent `researcher` loops since version 2.4.0, and the tenant
`initech` pays far more than its share of the traffic. No price is in here: prices are configs/model_prices.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass

SLOW_TOOL = "warehouse_query"
LOOPING_AGENT = "researcher"
LOOPING_VERSION = "2.4.0"
COSTLY_TENANT = "initech"
UNPRICED_MODEL = "inhouse-coder-7b"

GATEWAY_USD_PER_TOKEN = 0.000003
"""Services that report a cost get it from an imaginary gateway of ours that charges every token alike."""


@dataclass(frozen=True)
class Model:
    """A model and how it answers."""

    provider: str
    name: str
    tokens_per_second: float
    thinks: bool = False
    """Spends reasoning tokens."""


@dataclass(frozen=True)
class Tool:
    """A tool: its usual latency, how far the tail goes (sigma of a lognormal), and how often it fails."""

    name: str
    seconds: float
    sigma: float
    failing: float


@dataclass(frozen=True)
class Agent:
    """An agent of a service: the model it thinks with and the tools it has."""

    name: str
    service: str
    versions: tuple[str, ...]
    model: str
    tools: tuple[str, ...]
    turns: tuple[int, int]
    """Least and most turns (a model call and its tool calls) that a task takes."""
    prompt: str


@dataclass(frozen=True)
class Workflow:
    """What a user asks for: the agents that serve it, planned first or not, and its share of the runs."""

    name: str
    weight: float
    agents: tuple[str, ...]
    planned: bool
    context_tokens: int
    """Usual prompt size of the first turn."""


MODELS = {
    model.name: model
    for model in (
        Model("openai", "gpt-4o", 70),
        Model("openai", "gpt-4o-mini", 120),
        Model("openai", "o3", 60, thinks=True),
        Model("openai", "text-embedding-3-small", 20000),
        Model("anthropic", "claude-sonnet-4-5", 65),
        Model("anthropic", "claude-opus-4-1", 35, thinks=True),
        Model("gcp.gemini", "gemini-2.5-flash", 180),
        Model("inhouse", UNPRICED_MODEL, 45),
    )
}

TOOLS = {
    tool.name: tool
    for tool in (
        Tool("lookup_customer", 0.06, 0.5, 0.004),
        Tool("search_tickets", 0.25, 0.6, 0.01),
        Tool("send_reply", 0.4, 0.4, 0.01),
        Tool("web_search", 0.9, 0.7, 0.03),
        Tool("fetch_page", 1.2, 0.9, 0.06),
        Tool("vector_search", 0.08, 0.5, 0.003),
        Tool(SLOW_TOOL, 19.0, 0.9, 0.05),
        Tool("render_chart", 1.5, 0.5, 0.01),
        Tool("read_file", 0.03, 0.6, 0.005),
        Tool("run_tests", 6.0, 0.8, 0.12),
        Tool("post_comment", 0.35, 0.4, 0.01),
        Tool("match_invoice", 0.3, 0.5, 0.02),
    )
}

AGENTS = {
    agent.name: agent
    for agent in (
        Agent("planner", "planner", ("1.8.0", "1.9.0"), "gpt-4o", (), (1, 1), "plan-work"),
        Agent(
            "triage",
            "support-desk",
            ("3.1.0",),
            "gpt-4o-mini",
            ("lookup_customer", "search_tickets", "send_reply"),
            (2, 4),
            "triage-ticket",
        ),
        Agent(
            "librarian",
            "support-desk",
            ("1.2.0", "1.3.0"),
            "claude-sonnet-4-5",
            ("vector_search",),
            (1, 4),
            "answer-question",
        ),
        Agent(
            LOOPING_AGENT,
            "research",
            ("2.3.0", LOOPING_VERSION),
            "claude-sonnet-4-5",
            ("web_search", "fetch_page"),
            (2, 4),
            "research-topic",
        ),
        Agent("writer", "research", ("2.0.1",), "gemini-2.5-flash", ("vector_search",), (1, 2), "write-brief"),
        Agent("analyst", "analytics", ("0.9.4",), "o3", (SLOW_TOOL, "render_chart"), (2, 4), "explain-figures"),
        Agent("bookkeeper", "analytics", ("4.0.0",), "gpt-4o-mini", ("match_invoice",), (2, 6), "match-invoices"),
        Agent(
            "reviewer",
            "code-review",
            ("0.4.0", "0.5.0"),
            UNPRICED_MODEL,
            ("read_file", "run_tests", "post_comment"),
            (3, 9),
            "review-change",
        ),
    )
}

WORKFLOWS = (
    Workflow("ticket-triage", 40, ("triage",), False, 900),
    Workflow("knowledge-chat", 25, ("librarian",), False, 2200),
    Workflow("invoice-matching", 12, ("bookkeeper",), False, 1500),
    Workflow("pull-request-review", 9, ("reviewer",), False, 6000),
    Workflow("market-research", 8, ("researcher", "writer"), True, 4000),
    Workflow("weekly-report", 6, ("analyst", "writer"), True, 5000),
)

COSTLY_MODEL = "claude-opus-4-1"
COSTLY_CONTEXT = 14
"""The costly tenant sends its whole archive along, to the dearest model."""

LARGE_TENANTS = ("acme", "globex")
_TAIL = """
umbrella hooli stark wayne wonka cyberdyne soylent aperture blackmesa tyrell massive oscorp dunder vandelay
pied-piper gringotts prestige monsters krusty duff sterling bluth gekko nakatomi weyland virtucon buynlarge
ollivander zorg oceanic dharma cheers central-perk los-pollos spacely cogswell planet-express
"""
TENANTS = (*LARGE_TENANTS, COSTLY_TENANT, *_TAIL.split())


def tenant_weights() -> list[float]:
    """Shares of the traffic: two large tenants, then a long tail."""
    return [34.0, 21.0, *(9.0 / (rank**1.1) for rank in range(2, len(TENANTS)))]


def environment(tenant: str, service: str) -> str:
    """Where a tenant's service runs; some processes don't say ('')."""
    if service == "analytics":
        return ""
    return "staging" if (len(tenant) + len(service)) % 5 == 0 else "production"
