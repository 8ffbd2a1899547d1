"""`python -m infra.worker --config FILE.json`: the worker as a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.errors import UserError
from infra.worker.config import read_config
from infra.worker.loop import run


def main() -> int:
    """Runs the worker until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m infra.worker", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the JSON file that the program wrote")
    try:
        return run(read_config(parser.parse_args().config))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
