"""Example programs that send telemetry to the pipeline."""
