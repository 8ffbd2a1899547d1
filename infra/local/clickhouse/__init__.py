"""The local ClickHouse: chdb-core behind the HTTP interface, or a real `clickhouse` server."""

import sys
from pathlib import Path
from typing import Literal


def command(engine: Literal["chdb"] | Path, data: Path, config: Path, port: int) -> list[str]:
    """The command line that runs ClickHouse in the foreground on loopback.

    `engine` is "chdb", or the path of a `clickhouse` program (26.1 or newer). `config` is the rendered
    configs/clickhouse/config.xml, with users.xml beside it; a real server takes data folder and port from it.
    """
    if engine == "chdb":
        module = [sys.executable, "-m", "infra.local.clickhouse"]
        return [*module, "--data", str(data), "--config", str(config), "--port", str(port)]
    return [str(engine), "server", f"--config-file={config}"]
