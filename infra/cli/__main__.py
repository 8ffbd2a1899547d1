"""`python -m infra.cli`: the same as `telemetry`."""

from infra.cli import main

main()
