"""What the node reads with its own role and writes for the server: key and certificate, users' hashes, Kafka's sign-in."""

from __future__ import annotations

import hashlib
import secrets
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from .files import Files
from .run import Failed, secret, secret_text

SYSTEM_TRUST = "/etc/pki/tls/certs/ca-bundle.crt"
CONFIG = "/etc/clickhouse-server"
OPERATOR = "/root/.clickhouse-client/config.xml"


def tls(files: Files, plan: Mapping[str, Any]) -> dict[str, str]:
    """The node's key and certificate, the CA, and the CA together with what the system trusts. Path to text."""
    key, certificate = _pair(files, plan)
    folder = plan["secret_folder"]
    return {
        f"{folder}/node.key": key,
        f"{folder}/node.crt": certificate,
        f"{folder}/ca.pem": plan["ca_pem"],
        f"{folder}/trust.pem": files.at(SYSTEM_TRUST).read_text() + plan["ca_pem"],
    }


def _pair(files: Files, plan: Mapping[str, Any]) -> tuple[str, str]:
    """The node's key and certificate. A given one comes with the plan, and its key must be this one: nothing has been
    written by then, so a node with the wrong key goes on with the certificate that it has."""
    arn = plan["secrets"]["tls"]
    if not plan.get("certificate"):
        found = secret(plan["region"], arn)
        return found["key"], found["certificate"]
    key, certificate = secret_text(plan["region"], arn), plan["certificate"]
    with tempfile.TemporaryDirectory() as folder:  # root's alone
        pair = Path(folder, "node.pem")
        pair.touch(0o600)
        pair.write_text(f"{key}\n{certificate}")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair, password="")
        except (ssl.SSLError, ValueError):
            raise Failed(
                f"secret {arn}: not the private key (PEM, without a password) of the certificate that is given for "
                f"{plan['name']} in clickhouseCertificates"
            ) from None
    return key, certificate


def server(files: Files, plan: Mapping[str, Any]) -> dict[str, str]:
    """The fragments of the server's configuration that hold credentials. Path to text."""
    wanted = plan["secrets"]
    passwords = {user: _password(plan, user, arn) for user, arn in wanted["users"].items()}
    passwords["operator"] = _operator(files, plan)
    users = "".join(_user(name, password) for name, password in sorted(passwords.items()))
    written = {f"{CONFIG}/users.d/90-passwords.xml": f"<clickhouse><users>{users}</users></clickhouse>\n"}
    if wanted.get("kafka"):
        found = secret(plan["region"], wanted["kafka"])
        name, password = escape(found["username"]), escape(found["password"])
        written[f"{CONFIG}/config.d/90-kafka.xml"] = (
            f"<clickhouse><kafka><sasl_username>{name}</sasl_username><sasl_password>{password}</sasl_password>"
            "</kafka></clickhouse>\n"
        )
    if wanted.get("interserver"):
        found = secret(plan["region"], wanted["interserver"])
        written[f"{CONFIG}/config.d/91-interserver.xml"] = (
            f"<clickhouse><interserver_http_credentials><user>{escape(found['username'])}</user>"
            f"<password>{escape(found['password'])}</password></interserver_http_credentials></clickhouse>\n"
        )
        if plan.get("cluster"):
            # By this a node proves to another one that it asks in the name of who asked it.
            written[f"{CONFIG}/config.d/92-cluster.xml"] = (
                f"<clickhouse><remote_servers><{plan['cluster']}><secret>{escape(found['password'])}</secret>"
                f"</{plan['cluster']}></remote_servers></clickhouse>\n"
            )
    return written


def _password(plan: Mapping[str, Any], user: str, arn: str) -> str:
    found = secret(plan["region"], arn)
    if found.get("username") != user or not found.get("password"):
        raise Failed(f"secret {arn}: not {user}'s username and password")
    return str(found["password"])


def _user(name: str, password: str) -> str:
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f'<{name}><password remove="1"/><password_sha256_hex>{digest}</password_sha256_hex></{name}>'


def _operator(files: Files, plan: Mapping[str, Any]) -> str:
    """Root's own password on this node, made once; `clickhouse client` in a shell of root's finds it."""
    path = files.at(OPERATOR)
    marks = "<password>", "</password>"
    text = path.read_text() if path.exists() else ""
    known = text.partition(marks[0])[2].partition(marks[1])[0]
    password = known or secrets.token_urlsafe(32)
    wanted = (
        "<config><host>localhost</host><port>9440</port><secure>1</secure><user>operator</user>"
        f"<password>{password}</password><openSSL><client><caConfig>{plan['secret_folder']}/ca.pem</caConfig>"
        "<loadDefaultCAFile>false</loadDefaultCAFile><verificationMode>strict</verificationMode></client></openSSL></config>\n"
    )
    if text != wanted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        path.touch(0o600)
        path.chmod(0o600)
        path.write_text(wanted)
    return password
