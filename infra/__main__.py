"""The Pulumi program: settings in, pipeline out. Run by `pulumi up`; `telemetry up` runs the same function."""

from infra.automation import program

program()
