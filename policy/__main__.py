"""Pulumi starts the policy pack here. One that can't be loaded says so in a line and ends; the engine then makes nothing."""

import sys

import pulumi

try:
    from policy.pack import run

    run()
except ImportError as error:
    pulumi.log.error(f"the policy pack can't be loaded: {error}; `make environment` installs what it needs")
    sys.exit(1)
except Exception as error:
    pulumi.log.error(f"the policy pack can't be loaded: {error}")
    sys.exit(1)
