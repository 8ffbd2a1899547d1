"""`python -m tests.bench.aws_previews`: how long a preview of dev and prod takes, and what the program's own share is.

The real engine on the stand-in account, nothing deployed yet. The program's share: its imports, which a fresh process
measures, and the processor time that this process, in which the program runs, spends during the preview.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.engine.aws_engine import committed
from tests.engine.aws_world import aws_world

IMPORTS = "import time; began = time.perf_counter(); import infra.aws.platform, infra.pipeline, infra.dashboards.overview; print(time.perf_counter() - began)"
TIMES = 3


def imports() -> float:
    """Seconds to import the program in a fresh process, the best of some."""
    found = [
        subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
        for _ in range(TIMES)
    ]
    return min(float(done.stdout) for done in found)


def main() -> None:
    """Prints the figures."""
    print(f"imports {imports():.2f} s")
    for stack in ("dev", "prod"):
        with tempfile.TemporaryDirectory(prefix="aws-previews-") as name, aws_world(Path(name)) as world:
            engine = world.engine(stack)
            assert engine.settings == committed(stack)
            for number in range(TIMES):
                ran, own = engine.timed_preview()
                assert ran.ok, ran.output
                cold = " (with the program's imports, and the providers' first look at the SDKs)" if number == 0 else ""
                print(f"{stack}: {ran.seconds:.1f} s, of it the program's processor time {own:.1f} s{cold}")


if __name__ == "__main__":
    main()
