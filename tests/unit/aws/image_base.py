"""go-containerregistry's own registry server, and a small base image for it: no network, no Docker."""

from __future__ import annotations

import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.aws.image import Crane
from tests.ports import free_port


@contextmanager
def registry_server(program: Path, folder: Path) -> Iterator[str]:
    """The server's host:port for the block; blobs lie in `folder`."""
    port = free_port()
    command = [str(program), "registry", "serve", "--address", f"127.0.0.1:{port}", "--disk", str(folder)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        while "serving on port" not in (line := server.stderr.readline()):
            assert line, "the registry ended"
        # It writes a line a request, and stands still once a pipe that nobody reads is full.
        threading.Thread(target=server.stderr.read, daemon=True).start()
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def make_base(crane: Crane, name: str, folder: Path, architecture: str) -> str:
    """A base image with one file and a variable, pushed as `name`."""
    tar = folder / "base.tar"
    with tarfile.open(tar, "w") as layer:
        entry = tarfile.TarInfo("etc/base")
        entry.size = 4
        layer.addfile(entry, io.BytesIO(b"base"))
    crane("append", "--oci-empty-base", "-f", str(tar), "-t", name)
    crane("mutate", name, "--set-platform", f"linux/{architecture}", "-e", "PATH=/usr/local/bin:/usr/bin", "-t", name)
    return name
