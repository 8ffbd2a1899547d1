"""The agent-telemetry Pulumi program, its command line and what runs beside it."""
