"""Prompts, completions, tool arguments and stack traces of realistic size, drawn from a few sentences."""

from __future__ import annotations

import functools
import json
import random

from examples.agents import world

_SENTENCES = (
    "The customer writes that the invoice of last month was charged twice and asks for a refund. ",
    "Summarise the findings in three sentences and name the source of every figure. ",
    "Revenue in the northern region grew by 4.2 percent while returns stayed flat. ",
    "Use the tools only when the answer is not in the conversation already. ",
    "Die Bestellung ist am Dienstag eingetroffen, das Gehäuse war beschädigt. ",
    "お客様の契約は来月更新されます。 ",
    "The function returns early when the list is empty, so the test never reaches the assertion. ",
    "Answer politely, never promise a date, and offer to open a ticket 🎫. ",
    "According to the report, two of the five suppliers miss the new requirements. ",
    "Compare the quarter with the same quarter of the previous year, and explain what changed. ",
)
_LARGEST = 4000
"""Tokens of text that are sent at most; agents' frameworks cut longer prompts too."""


@functools.cache
def _paragraph(number: int, sentences: int) -> str:
    return "".join(_SENTENCES[(number * 7 + i * (number % 3 + 1)) % len(_SENTENCES)] for i in range(sentences))


def messages(rng: random.Random, role: str, tokens: int) -> str:
    """A conversation as the conventions send it: a JSON list of messages, about 4 characters a token."""
    sentences = max(1, min(tokens, _LARGEST) // 20)
    text = f"[{rng.getrandbits(32):08x}] " + _paragraph(rng.randrange(40), sentences)
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)


@functools.cache
def arguments(tool: str, subject: int) -> str:
    """A tool call's arguments; the same subject gives the same arguments."""
    return json.dumps({"tool": tool, "query": _SENTENCES[subject % len(_SENTENCES)].strip(), "limit": 20})


def stacktrace(agent: world.Agent, error: Exception) -> str:
    """The stack trace that a deployed agent would send."""
    service = agent.service.replace("-", "_")
    frames = "".join(
        f'  File "/app/{service}/{file}.py", line {line}, in {name}\n    {code}\n'
        for file, line, name, code in (
            ("main", 41, "handle", "return await agent.run(task)"),
            (agent.name, 118, "run", "step = await self.next_step(context)"),
            (agent.name, 164, "next_step", "result = await self.client.call(request, timeout=self.timeout)"),
            ("client", 77, "call", "raise self.error_of(response)"),
        )
    )
    return f"Traceback (most recent call last):\n{frames}{service}.errors.{type(error).__name__}: {error}\n"
