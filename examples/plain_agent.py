"""An agent on nothing but opentelemetry-sdk: a run, its model calls, its tools, their tokens, cost and errors.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 .venv/bin/python -m examples.plain_agent "Which warehouse is late?"

The model is a few lines below, so that this runs without a key; what matters is which span says what.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from examples.tracing import configure

AGENT = {"gen_ai.agent.name": "order-desk", "gen_ai.agent.version": "1.2.0", "gen_ai.workflow.name": "late-orders"}
"""On every span of the run: any of them can then be asked for by agent and workflow."""
MODEL = "small-model"
USD_PER_TOKEN = 2e-6


@dataclass(frozen=True)
class Answer:
    """What the model said: text, or the tool that it wants."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    tool: str = ""
    argument: str = ""


@dataclass
class Agent:
    """Asks the model until it answers; calls the tools that it wants."""

    tools: Mapping[str, Callable[[str], str]]
    model: Callable[[list[str]], Answer]
    tracer: trace.Tracer = field(default_factory=lambda: trace.get_tracer("examples.plain_agent"))

    def run(self, question: str, session: str, user: str) -> str:
        """The answer. Its trace is one row of telemetry.runs."""
        who = {**AGENT, "gen_ai.conversation.id": session, "user.id": user}
        with self.tracer.start_as_current_span(
            f"invoke_agent {AGENT['gen_ai.agent.name']}", attributes={"gen_ai.operation.name": "invoke_agent", **who}
        ):
            said = [question]
            while True:
                answer = self._ask(said, who)
                if not answer.tool:
                    return answer.text
                said.append(self._call(answer.tool, answer.argument, who))

    def _ask(self, said: list[str], who: Mapping[str, str]) -> Answer:
        with self.tracer.start_as_current_span(f"chat {MODEL}", kind=SpanKind.CLIENT, attributes=who) as span:
            answer = self.model(said)
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "example",
                    "gen_ai.request.model": MODEL,
                    "gen_ai.usage.input_tokens": answer.prompt_tokens,
                    "gen_ai.usage.output_tokens": answer.completion_tokens,
                    "gen_ai.response.finish_reasons": ["tool_calls" if answer.tool else "stop"],
                    # Leave this out where configs/model_prices.yaml has the model: it is computed then.
                    "cost.usd": (answer.prompt_tokens + answer.completion_tokens) * USD_PER_TOKEN,
                }
            )
            return answer

    def _call(self, tool: str, argument: str, who: Mapping[str, str]) -> str:
        # An exception marks the span as failed by itself. What the agent handles is said here and goes on.
        with self.tracer.start_as_current_span(
            f"execute_tool {tool}",
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": tool,
                # The same call again is what telemetry.runs counts as a loop; the text itself is kept as prompts are.
                "gen_ai.tool.call.arguments": argument,
                **who,
            },
        ) as span:
            try:
                return self.tools[tool](argument)
            except (KeyError, ValueError) as error:
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, str(error)))
                span.set_attribute("error.type", type(error).__name__)
                return f"error: {error}"


def late_orders(warehouse: str) -> str:
    """A tool. Raises ValueError for a warehouse that is not there."""
    orders = {"north": "order 17, 3 days late"}
    if warehouse not in orders:
        raise ValueError(f"no warehouse {warehouse!r}")
    return orders[warehouse]


def small_model(said: list[str]) -> Answer:
    """Stands for a model: asks for a wrong warehouse first, then for the right one, then answers."""
    wanted = {1: "nort", 2: "north"}
    tokens = sum(len(text.split()) for text in said)
    if len(said) in wanted:
        return Answer("", tokens, 4, "late_orders", wanted[len(said)])
    return Answer(f"Late: {said[-1]}", tokens, 6)


def main() -> None:
    """Runs the agent once."""
    configure("order-desk", "1.2.0")
    agent = Agent({"late_orders": late_orders}, small_model)
    print(agent.run(" ".join(sys.argv[1:]) or "Which orders are late?", session="session-1", user="user-1"))


if __name__ == "__main__":
    main()
