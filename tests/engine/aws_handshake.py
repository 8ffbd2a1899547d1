"""A TLS handshake between two nodes, in memory and for real: each shows its certificate and checks the other's."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Identity:
    """What a node has in its TLS folder."""

    certificate: str
    key: str
    ca: str


def refusal(client: Identity, server: Identity) -> str:
    """Why the two don't come together; '' when they do. Names are not looked at: ClickHouse checks chains only."""
    outgoing, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = _context(client, ssl.PROTOCOL_TLS_CLIENT).wrap_bio(incoming, outgoing)
    answering = _context(server, ssl.PROTOCOL_TLS_SERVER).wrap_bio(outgoing, incoming, server_side=True)
    # A server's refusal of the client's certificate reaches the client after its own handshake: both have to be done.
    pending = {asking, answering}
    while pending:
        for side in (asking, answering):
            if side in pending:
                try:
                    side.do_handshake()
                    pending.discard(side)
                except ssl.SSLWantReadError:
                    continue
                except ssl.SSLError as error:
                    return f"the {'client' if side is asking else 'server'}: {error}"
    return ""


def _context(identity: Identity, side: int) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=identity.ca)
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "pair.pem")
        pair.write_text(identity.certificate + identity.key)
        context.load_cert_chain(pair)
    return context
