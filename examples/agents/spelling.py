"""How each service spells its attributes: the GenAI conventions of today, older ones, and plain names."""

from __future__ import annotations

from typing import Any

CURRENT = {
    "operation": "gen_ai.operation.name",
    "agent": "gen_ai.agent.name",
    "agent_version": "gen_ai.agent.version",
    "workflow": "gen_ai.workflow.name",
    "session": "gen_ai.conversation.id",
    "user": "user.id",
    "tool": "gen_ai.tool.name",
    "prompt_name": "gen_ai.prompt.name",
    "prompt_version": "gen_ai.prompt.version",
    "provider": "gen_ai.provider.name",
    "request_model": "gen_ai.request.model",
    "model": "gen_ai.response.model",
    "finish": "gen_ai.response.finish_reasons",
    "error": "error.type",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "cost": "cost.usd",
    "input": "gen_ai.input.messages",
    "output": "gen_ai.output.messages",
}
"""The conventions of today."""

OLDER = CURRENT | {
    "provider": "gen_ai.system",
    "prompt_tokens": "gen_ai.usage.prompt_tokens",
    "completion_tokens": "gen_ai.usage.completion_tokens",
    "session": "session.id",
    "workflow": "workflow_id",
    "input": "gen_ai.prompt",
    "output": "gen_ai.completion",
}
"""Services instrumented when the conventions were young."""

PLAIN = {
    "agent": "agent_name",
    "agent_version": "agent_version",
    "workflow": "workflow_id",
    "session": "session_id",
    "user": "user_id",
    "tool": "tool_name",
    "prompt_name": "prompt_name",
    "prompt_version": "prompt_version",
    "provider": "provider",
    "model": "model",
    "finish": "finish_reason",
    "error": "error.type",
    "prompt_tokens": "tokens.prompt",
    "completion_tokens": "tokens.completion",
    "cached_tokens": "tokens.cached",
    "reasoning_tokens": "tokens.reasoning",
    "cost": "cost.usd",
}
"""Services with names of their own; they say neither operation nor content."""

SPELLINGS: dict[str, dict[str, str]] = {
    "planner": CURRENT,
    "support-desk": CURRENT,
    "code-review": CURRENT,
    "research": OLDER,
    "analytics": PLAIN,
}
"""Service → spelling."""


def spell(service: str, values: dict[str, Any]) -> dict[str, Any]:
    """`values` (by our short names) under the names that `service` uses; what it has no name for is left out.

    A name with a dot is sent as it is.
    """
    names = SPELLINGS[service]
    spelled: dict[str, Any] = {}
    for key, value in values.items():
        if value is None or value == "":
            continue
        name = names.get(key) or (key if "." in key else None)
        if name is not None:
            spelled[name] = value[0] if name == "finish_reason" else value
    return spelled
