"""The agent-telemetry Pulumi program, its command line and what runs beside it."""

import gc

# Commands, providers and steps make objects by the hundred thousand and hardly a cycle: at Python's usual pace a tenth of
# their processor time went into searching for those, most of it while modules are imported.
gc.set_threshold(100_000)
