"""`python -m infra.worker --config FILE.json` or `--config-env VARIABLE`: the worker as a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.errors import UserError
from infra.worker.config import config_from_environment, read_config
from infra.worker.loop import run


def main() -> int:
    """Runs the worker until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m infra.worker", description=__doc__)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--config", type=Path, help="the JSON file that the program wrote")
    given.add_argument("--config-env", help="the variable that holds the same text")
    args = parser.parse_args()
    try:
        return run(config_from_environment(args.config_env) if args.config_env else read_config(args.config))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
