"""`python -m infra.local.clickhouse`: serves ClickHouse's HTTP interface from chdb, in the foreground."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import uvicorn

from infra.errors import UserError
from infra.local.clickhouse.app import Front, application
from infra.local.clickhouse.engine import Engine
from infra.local.clickhouse.errors import ServerError
from infra.local.clickhouse.users import read_users
from infra.server import Server

STOP_SECONDS = 5
"""How long running answers may take to end after SIGTERM before they are cancelled."""


def _users_file(config: Path) -> Path:
    """users.xml as the configuration names it."""
    named = ElementTree.parse(config).getroot().findtext("user_directories/users_xml/path")
    if named is None:
        raise UserError(f"{config}: user_directories.users_xml.path is missing: it names users.xml")
    return config.parent / named


def _make_disks(config: Path) -> None:
    """Makes the folders of the configured disks, as a server does; chdb takes a missing one for a full one."""
    for path in ElementTree.parse(config).getroot().iterfind("storage_configuration/disks/*/path"):
        Path(path.text or "").mkdir(parents=True, exist_ok=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local.clickhouse", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder; made when missing")
    parser.add_argument("--config", type=Path, required=True, help="the server's config.xml")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--statements", type=int, default=32, help="how many statements may run at once")
    return parser.parse_args()


def main() -> int:
    """Opens the engine, and listens once it has answered."""
    arguments = _arguments()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    spool = arguments.data / "http"
    # chdb does not read <timezone> from the configuration: without this a DateTime would mean local time.
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        users = read_users(_users_file(arguments.config))
        _make_disks(arguments.config)
        engine = Engine(arguments.data, arguments.config)
        engine.ping()
    except (UserError, ServerError, OSError, ElementTree.ParseError) as error:
        logging.error("ClickHouse (chdb) did not open %s with %s: %s", arguments.data, arguments.config, error)
        return 1
    # What a killed process left half-received is of no use to anybody.
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir()
    front = Front(engine, users, spool, arguments.statements)
    logging.info("ClickHouse %s (chdb) has opened %s", engine.version, arguments.data)
    server = Server(
        uvicorn.Config(
            application(front),
            host=arguments.host,
            port=arguments.port,
            log_config=None,
            access_log=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    server.run()
    logging.info("stopped")
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
