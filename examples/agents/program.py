"""The agents themselves: a planner, agents that think in turns, model calls and tool calls with retries.

Nothing is called in earnest: answers, failures and latencies are drawn from one seeded generator and time is a
number that the program moves on. Spans carry explicit start and end times, so the same program makes history
and live traffic.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import SpanKind, StatusCode

from examples.agents import texts, world
from examples.agents.spelling import spell
from examples.agents.telemetry import Resource, Telemetry

SECOND = 1_000_000_000
CONTENT_SHARE = 0.15
"""Share of model calls whose prompt and completion are sent along."""


class RateLimited(Exception):
    """The model's provider asks to come back later."""


class ToolTimeout(Exception):
    """A tool did not answer in time."""


class ToolFailed(Exception):
    """A tool answered with an error."""


@dataclass
class Session:
    """Who asks, for what, and where: the same on every span of a run."""

    tenant: str
    user: str
    session: str
    workflow: world.Workflow


@dataclass
class Totals:
    """What an agent's span repeats of its children's tokens."""

    prompt: int = 0
    completion: int = 0


class AgentRun:
    """One run of one workflow, from the first span to the last; `now` is the simulated clock."""

    def __init__(self, telemetry: Telemetry, rng: random.Random, session: Session, start: int) -> None:
        self.telemetry, self.rng, self.session, self.now = telemetry, rng, session, start
        self._resources: dict[str, Resource] = {}

    def execute(self) -> None:
        """Plays the whole run. Failures end up on spans, never here."""
        workflow = self.session.workflow
        if not workflow.planned:
            self._agent(world.AGENTS[workflow.agents[0]], None)
            return
        planner = world.AGENTS["planner"]
        version = self.rng.choice(planner.versions)
        root = self._start(planner, "invoke_agent planner", None, SpanKind.INTERNAL, "invoke_agent", version)
        totals, failed = Totals(), False
        try:
            self._model_call(planner, version, root, workflow.context_tokens // 2, totals)
            for name in workflow.agents:
                self._wait(0.01, 0.5)
                failed |= not self._agent(world.AGENTS[name], root)
        except RateLimited as error:
            failed = True
            self._fail(planner, root, error)
        if failed:
            root.set_status(StatusCode.ERROR, "the plan was not carried out in full")
        self._close(planner, root, totals)

    def _agent(self, agent: world.Agent, parent: Any) -> bool:
        """An agent's task: turns of a model call and its tool calls. True when it got there."""
        rng = self.rng
        version = rng.choice(agent.versions)
        span = self._start(agent, f"invoke_agent {agent.name}", parent, SpanKind.INTERNAL, "invoke_agent", version)
        turns = rng.randint(*agent.turns)
        if agent.name == world.LOOPING_AGENT and version == world.LOOPING_VERSION and rng.random() < 0.6:
            turns = rng.randint(9, 26)
        context = self.session.workflow.context_tokens * rng.lognormvariate(0, 0.5)
        if self.session.tenant == world.COSTLY_TENANT:
            context *= world.COSTLY_CONTEXT
        totals, tool = Totals(), ""
        try:
            if agent.name == "librarian":
                self._embed(agent, version, span)
            for turn in range(turns):
                self._model_call(agent, version, span, int(context), totals)
                context += rng.randint(100, 900)
                if turn == turns - 1:
                    break
                looping = agent.name == world.LOOPING_AGENT and turns > 8
                tool = agent.tools[0] if looping else rng.choice(agent.tools)
                self._tool_call(agent, version, span, world.TOOLS[tool], turn, looping)
        except (RateLimited, ToolTimeout, ToolFailed) as error:
            self._fail(agent, span, error)
            self._close(agent, span, totals)
            return False
        self._close(agent, span, totals)
        if rng.random() < 0.12:
            self._feedback(agent, span)
        return True

    def _model_call(self, agent: world.Agent, version: str, parent: Any, context: int, totals: Totals) -> None:
        """Asks the agent's model, at most three times. Raises RateLimited."""
        rng = self.rng
        model = world.MODELS[agent.model]
        if self.session.tenant == world.COSTLY_TENANT and model.name != world.UNPRICED_MODEL:
            model = world.MODELS[world.COSTLY_MODEL]
        for attempt in (1, 2, 3):
            span = self._start(agent, f"chat {model.name}", parent, SpanKind.CLIENT, "chat", version)
            request = {
                "provider": model.provider,
                "request_model": model.name,
                "prompt_name": agent.prompt,
                "prompt_version": "7" if version == agent.versions[-1] else "6",
                "gen_ai.request.temperature": 0.2 if agent.tools else 0.7,
                "gen_ai.request.max_tokens": 4096,
                "server.address": f"api.{model.provider}.example",
                "server.port": 443,
            }
            if rng.random() < (0.02 if attempt == 1 else 0.35):
                self._wait(0.05, 0.3)
                error = RateLimited(f"429 from {model.provider}: slow down, try again in {attempt * 2} s")
                span.set_attributes(
                    self._spell(agent, request | {"error": "rate_limited", "http.response.status_code": 429})
                )
                self._fail(agent, span, error)
                span.end(self.now)
                if attempt == 3:
                    raise error
                parent.add_event("retry", {"attempt": attempt, "delay_seconds": attempt * 2.0}, self.now)
                self.now += int(attempt * 2 * SECOND)
                continue
            self._answer(agent, model, span, request, context, totals)
            return

    def _answer(
        self,
        agent: world.Agent,
        model: world.Model,
        span: Any,
        request: dict[str, Any],
        context: int,
        totals: Totals,
    ) -> None:
        rng = self.rng
        prompt = max(20, int(context * rng.uniform(0.9, 1.1)))
        thinking = int(rng.lognormvariate(6.5, 0.7)) if model.thinks else None
        completion = min(4096, int(rng.lognormvariate(5.2, 0.8)) + 1) + (thinking or 0)
        cached = prompt * 3 // 4 // 128 * 128 if rng.random() < 0.4 else (0 if rng.random() < 0.5 else None)
        first = rng.lognormvariate(-0.9, 0.5) + prompt / 60_000
        span.add_event("gen_ai.first_token", {"seconds": round(first, 3)}, self.now + int(first * SECOND))
        self.now += int((first + completion / model.tokens_per_second) * SECOND)
        cost = None
        if agent.service == "analytics" or (agent.service == "support-desk" and rng.random() < 0.3):
            cost = round((prompt + completion) * world.GATEWAY_USD_PER_TOKEN, 9)
        values = request | {
            "model": model.name,
            "finish": ["length" if completion >= 4096 else "stop"],
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "cached_tokens": cached,
            "reasoning_tokens": thinking,
            "cost": cost,
            "gen_ai.response.id": f"resp-{rng.getrandbits(64):016x}",
            "http.response.status_code": 200,
        }
        if rng.random() < CONTENT_SHARE:
            values["input"] = texts.messages(rng, "user", prompt)
            values["output"] = texts.messages(rng, "assistant", completion)
        span.set_attributes(self._spell(agent, values))
        span.end(self.now)
        totals.prompt += prompt
        totals.completion += completion

    def _embed(self, agent: world.Agent, version: str, parent: Any) -> None:
        model = world.MODELS["text-embedding-3-small"]
        span = self._start(agent, f"embeddings {model.name}", parent, SpanKind.CLIENT, "embeddings", version)
        tokens = self.rng.randint(8, 400)
        self._wait(0.03, 0.2)
        span.set_attributes(
            self._spell(
                agent,
                {
                    "provider": model.provider,
                    "request_model": model.name,
                    "model": model.name,
                    "prompt_tokens": tokens,
                    "gen_ai.embeddings.dimension.count": 1536,
                },
            )
        )
        span.end(self.now)

    def _tool_call(
        self, agent: world.Agent, version: str, parent: Any, tool: world.Tool, turn: int, looping: bool
    ) -> None:
        """Calls a tool, a second time when it fails. Raises ToolTimeout or ToolFailed."""
        rng = self.rng
        for attempt in (1, 2):
            span = self._start(agent, f"execute_tool {tool.name}", parent, SpanKind.INTERNAL, "execute_tool", version)
            subject = 0 if looping else turn
            span.set_attributes(
                self._spell(
                    agent,
                    {
                        "tool": tool.name,
                        "gen_ai.tool.type": "function",
                        "gen_ai.tool.call.id": f"call-{rng.getrandbits(48):012x}",
                        "gen_ai.tool.call.arguments": texts.arguments(tool.name, subject),
                    },
                )
            )
            seconds = min(280.0, tool.seconds * rng.lognormvariate(0, tool.sigma))
            self.now += int(seconds * SECOND)
            if rng.random() >= (tool.failing if attempt == 1 else 0.3):
                span.end(self.now)
                return
            late = rng.random() < 0.6
            error = (
                ToolTimeout(f"{tool.name} did not answer within {seconds:.1f} s")
                if late
                else ToolFailed(f"{tool.name} answered 500: internal error")
            )
            span.set_attributes(self._spell(agent, {"error": "timeout" if late else "tool_error"}))
            self._fail(agent, span, error)
            span.end(self.now)
            if attempt == 2:
                raise error
            parent.add_event("retry", {"attempt": attempt, "tool": tool.name}, self.now)
            self._wait(0.2, 1.0)

    def _feedback(self, agent: world.Agent, span: Any) -> None:
        good = self.rng.random() < 0.85
        self.telemetry.emit(
            self._resource(agent.service),
            "user.feedback",
            span,
            self.now + SECOND,
            {"rating": 5 if good else 1, "comment": "solved" if good else "that was not what I asked for"},
            {"user.id": self.session.user, "workflow_id": self.session.workflow.name},
        )

    def _start(self, agent: world.Agent, name: str, parent: Any, kind: SpanKind, operation: str, version: str) -> Any:
        session = self.session
        attributes = self._spell(
            agent,
            {
                "operation": operation,
                "agent": agent.name,
                "agent_version": version,
                "workflow": session.workflow.name,
                "session": session.session,
                "user": session.user,
            },
        )
        resource = self._resource(agent.service)
        return self.telemetry.start_span(resource, name, parent, kind, attributes, self.now)

    def _close(self, agent: world.Agent, span: Any, totals: Totals) -> None:
        """Ends an agent's span; it repeats the totals of its model calls, as agent frameworks do."""
        if totals.prompt and agent.service != "analytics":
            span.set_attributes(
                self._spell(agent, {"prompt_tokens": totals.prompt, "completion_tokens": totals.completion})
            )
        self.now += int(self.rng.uniform(0.001, 0.02) * SECOND)
        span.end(self.now)

    def _fail(self, agent: world.Agent, span: Any, error: Exception) -> None:
        span.record_exception(error, {"exception.stacktrace": texts.stacktrace(agent, error)}, self.now)
        span.set_status(StatusCode.ERROR, str(error))

    def _resource(self, service: str) -> Resource:
        if service not in self._resources:
            tenant = self.session.tenant
            self._resources[service] = Resource(tenant, service, world.environment(tenant, service))
        return self._resources[service]

    def _spell(self, agent: world.Agent, values: dict[str, Any]) -> dict[str, Any]:
        return spell(agent.service, values)

    def _wait(self, least: float, most: float) -> None:
        self.now += int(math.exp(self.rng.uniform(math.log(least), math.log(most))) * SECOND)
