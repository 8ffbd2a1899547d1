"""`python -m infra.aws.job NAME MODULE [ARGUMENT …]`: a scheduled job, with a log line that says how it ended."""

from __future__ import annotations

import runpy
import sys
import time
import traceback

from infra import emf
from infra.errors import UserError

SUCCEEDED, FAILED, SECONDS = "JobSucceeded", "JobFailed", "JobSeconds"
"""Metrics with the dimension Job."""


def run(name: str, module: str, arguments: list[str]) -> int:
    """Runs the module as a program. Returns its exit code."""
    began = time.monotonic()
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, flush=True)
    except UserError as error:
        print(error, flush=True)
        code = 1
    except Exception:
        traceback.print_exc()
        code = 1
    figures = {SUCCEEDED: int(code == 0), FAILED: int(code != 0), SECONDS: round(time.monotonic() - began, 1)}
    print(emf.line(figures, {"Job": name}), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
