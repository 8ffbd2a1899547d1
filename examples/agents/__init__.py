"""A small multi-agent program, instrumented with OpenTelemetry, that runs in simulated time."""

from examples.agents.generate import Run, generate

__all__ = ["Run", "generate"]
