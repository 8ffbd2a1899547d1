"""An agent on OpenAI's client, instrumented by opentelemetry-instrumentation-openai-v2 (gen_ai.*): only runs and tools are
spans of our own.

    pip install openai opentelemetry-instrumentation-openai-v2     (.venv has them)
    OPENAI_API_KEY=… OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 .venv/bin/python -m examples.openai_agent "Is it raining?"

OPENAI_BASE_URL sends it to any endpoint of the same shape. Prompts are not recorded unless
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is set, and kept only for tenants in `contentTenants`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

from examples.tracing import configure

AGENT = {"gen_ai.agent.name": "weather-desk", "gen_ai.agent.version": "0.3.0", "gen_ai.workflow.name": "weather"}
MODEL = os.environ.get("MODEL", "gpt-4o-mini")
MOST_TURNS = 5
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]

tracer = trace.get_tracer("examples.openai_agent")


def weather(city: str) -> str:
    """The tool."""
    return f"It is raining in {city}."


def answer(client: OpenAI, question: str) -> str:
    """One run: model and tool in turns. Raises RuntimeError when the model doesn't come to an end."""
    messages: list[Any] = [{"role": "user", "content": question}]
    with tracer.start_as_current_span(
        f"invoke_agent {AGENT['gen_ai.agent.name']}", attributes={"gen_ai.operation.name": "invoke_agent", **AGENT}
    ):
        for _ in range(MOST_TURNS):
            # The instrumentation makes the span `chat <model>` with model, tokens and finish reason. It knows no agent:
            # telemetry.runs takes agent and workflow from the run's root.
            message = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0].message
            if not message.tool_calls:
                return message.content or ""
            messages.append(message)
            for call in message.tool_calls:
                if call.type == "function":
                    said = called(call.function.name, call.function.arguments)
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
        raise RuntimeError(f"no answer after {MOST_TURNS} turns")


def called(name: str, arguments: str) -> str:
    """What the tool says."""
    about = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.call.arguments": arguments}
    with tracer.start_as_current_span(f"execute_tool {name}", attributes={**about, **AGENT}):
        return weather(**json.loads(arguments))


def main() -> None:
    """Runs the agent once."""
    provider = configure("weather-desk", "0.3.0")
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    print(answer(OpenAI(), " ".join(sys.argv[1:]) or "Is it raining in Oslo?"))


if __name__ == "__main__":
    main()
