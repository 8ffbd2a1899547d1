"""`python -m infra.dashboards.render`: serves a stack's dashboards on loopback, in the foreground."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from infra.config import PROJECT
from infra.dashboards.alerts import build_rule_groups
from infra.dashboards.catalogue import build_all
from infra.dashboards.render.app import application
from infra.dashboards.render.boards import Boards
from infra.dashboards.render.source import Source
from infra.server import Server

HOST = "127.0.0.1"


def serve(stack: str, clickhouse: str, port: int) -> bool:
    """Serves until it is told to stop. False: it could not listen."""
    prefix = f"{PROJECT}-{stack}"
    boards = Boards.of(build_all(prefix), build_rule_groups(prefix), Source(clickhouse))
    server = Server(
        uvicorn.Config(
            application(boards, stack),
            host=HOST,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    server.run()
    return server.started


def main() -> int:
    """What the local stack runs."""
    parser = argparse.ArgumentParser(prog="python -m infra.dashboards.render", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--clickhouse", required=True, help="its HTTP interface, http://host:port")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    return 0 if serve(arguments.stack, arguments.clickhouse, arguments.port) else 1


if __name__ == "__main__":
    sys.exit(main())
