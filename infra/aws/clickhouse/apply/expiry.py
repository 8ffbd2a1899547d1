"""How many days are left until the first of a node's certificates ends, told to CloudWatch every half hour.

Installed on the node as a file of its own and started by a systemd timer: the standard library and `openssl` suffice.
Asked are the files (the node's certificate, those behind it, every CA that is trusted) and the port, which may still show
an older one.
"""

from __future__ import annotations

import argparse
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

METRIC, DIMENSION = "certificate_days", "Host"
FILES = ("node.crt", "ca.pem")
BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def ends(pem: str) -> list[float]:
    """When each certificate in the text ends, as Unix time."""
    found = []
    for block in BLOCK.findall(pem):
        command = ["openssl", "x509", "-noout", "-enddate"]
        said = subprocess.run(command, input=block, capture_output=True, text=True, check=True, timeout=30).stdout
        found.append(float(ssl.cert_time_to_seconds(said.strip().partition("=")[2])))
    return found


def served(folder: Path, host: str, port: int) -> Optional[float]:  # noqa: UP045 (the node's Python is 3.9)
    """When the certificate ends that the port shows; 0 when it is not accepted; None when nobody answers."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    # A Keeper asks for one too.
    context.load_cert_chain(folder / "node.crt", folder / "node.key")
    try:
        plain = socket.create_connection((host, port), timeout=10)
        with plain, context.wrap_socket(plain, server_hostname=host) as connection:
            shown = connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        print(f"{host}:{port}: {error.verify_message}", flush=True)
        return 0.0
    except OSError:
        return None
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def days(folder: Path, host: str, port: int) -> float:
    """Days until the first of them ends; below 0 when one has."""
    found = [end for name in FILES for end in ends((folder / name).read_text())]
    if not found:
        raise SystemExit(f"no certificate in {folder}")
    shown = served(folder, host, port)
    if shown is not None:
        found.append(shown)
    return (min(found) - time.time()) / 86400


def main(arguments: Sequence[str]) -> None:
    """Measures once and tells CloudWatch, by the node's own role."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("region", "namespace", "folder", "host", "port"):
        parser.add_argument(f"--{name}", required=True)
    asked = parser.parse_args(arguments)
    left = days(Path(asked.folder), asked.host, int(asked.port))
    print(f"{left:.1f} days are left", flush=True)
    command = ["aws", "cloudwatch", "put-metric-data", "--region", asked.region, "--namespace", asked.namespace]
    command += ["--metric-name", METRIC, "--dimensions", f"{DIMENSION}={asked.host}", "--value", f"{left:.2f}"]
    subprocess.run(command, check=True, timeout=120)


if __name__ == "__main__":
    main(sys.argv[1:])
