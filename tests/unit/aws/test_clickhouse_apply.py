"""What runs on a node, run here: below a folder of its own, with its commands recorded and a real HTTPS port."""

from __future__ import annotations

import ast
import getpass
import hashlib
import http.server
import io
import json
import os
import ssl
import stat
import sys
import tarfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.aws.clickhouse.apply import service
from infra.aws.clickhouse.apply.__main__ import main
from infra.aws.clickhouse.apply.files import UNFINISHED, Files
from infra.aws.clickhouse.apply.run import Failed
from infra.aws.clickhouse.configuration import APPLY
from tests.certificates import certificate, root

VERSION = "26.8.7.7"
HOT, SLOW = "/var/lib/clickhouse", "/var/lib/clickhouse-slow"
TLS = "/etc/clickhouse-server/tls"
USERS = "/etc/clickhouse-server/users.d/90-passwords.xml"

# One program stands for every command of the node: it records its call, and answers from files below STAND_IN.
COMMAND = """#!/bin/bash
here=$STAND_IN name=${{0##*/}} last=${{@: -1}}
printf '%s' "$name" >> "$here/calls"
for argument; do printf '\\t%s' "$argument" >> "$here/calls"; done
echo >> "$here/calls"
case "$name $1" in
    "aws "*)
        while [ "$1" != --secret-id ]; do shift; done
        cat "$here/secret-$2" || exit 1 ;;
    "blkid "*)
        case " $* " in
            *" TYPE "*) [ -e "$here/${{last##*/}}" ] && cat "$here/${{last##*/}}" || exit 2 ;;
            *) echo "uuid-${{last##*/}}" ;;
        esac ;;
    "mkfs.xfs "*) echo xfs > "$here/${{last##*/}}" ;;
    "mount "*) echo "/dev/x $1 xfs rw 0 0" >> "$here/root/proc/mounts" ;;
    "systemctl is-active") [ -e "$here/active" ] && echo active || {{ echo inactive; exit 3; }} ;;
    "systemctl restart") touch "$here/active" ;;
    "systemctl show") cat "$here/restarts" 2>/dev/null || echo 0 ;;
esac
"""
CLICKHOUSE = """#!/bin/sh
test "$1" = --version && echo "ClickHouse server version {version} (official build)." && exit 0
echo "client $3" >> "$STAND_IN/queries"
echo 1
"""


def certificates(folder: Path) -> dict[str, str]:
    """A CA, and a certificate of it for localhost."""
    now = datetime.now(UTC)

    def sign(name: str, key: Any, issuer: str, by: Any, *extensions: x509.ExtensionType) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
            now - timedelta(days=1),
            now + timedelta(days=1),
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(by, hashes.SHA256())

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = sign("CA", ca_key, "CA", ca_key, x509.BasicConstraints(True, None), ca_id)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id)
    node = sign("node", key, "CA", ca_key, names, issuer)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = {"ca": ca.public_bytes(serialization.Encoding.PEM), "crt": node.public_bytes(serialization.Encoding.PEM)}
    texts = {**{name: text.decode() for name, text in pem.items()}, "key": private.decode()}
    for name, text in texts.items():
        (folder / f"server.{name}").write_text(text)
    return texts


class Vendor(http.server.BaseHTTPRequestHandler):
    """Serves the archive and its sum, and ClickHouse's /ping."""

    files: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.files.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(files: dict[str, bytes], context: ssl.SSLContext | None = None) -> http.server.ThreadingHTTPServer:
    handler = type("Handler", (Vendor,), {"files": files})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Machine:
    """A node: a root folder, stand-in commands, a vendor's server, ClickHouse's port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.bundle = folder, folder / "root", folder / "bundle"
        bin_ = folder / "bin"
        for path in (bin_, self.root / "proc", self.root / "dev/disk/by-id", self.root / "etc/pki/tls/certs"):
            path.mkdir(parents=True)
        for name in ("aws", "blkid", "mkfs.xfs", "mount", "xfs_growfs", "systemctl", "rpm", "dnf", "usermod", "id"):
            self.script(bin_ / name, COMMAND.format())
        (self.root / "proc/mounts").write_text("/dev/root / xfs rw 0 0\n")
        (self.root / "etc/pki/tls/certs/ca-bundle.crt").write_text("SYSTEM TRUST\n")
        for volume in ("vol-0hot", "vol-0slow"):
            self.device(volume).touch()
        self.pem = certificates(folder)
        self.program = CLICKHOUSE.format(version=VERSION)
        self.files: dict[str, bytes] = {}
        self.vendor = serve(self.files)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self.clickhouse = serve({"/ping": b"Ok.\n"}, context)
        self.archive()
        self.secrets: dict[str, Any] = {
            "arn:tls": {"key": self.pem["key"], "certificate": self.pem["crt"]},
            "arn:migrator": {"username": "migrator", "password": "m-word"},
            "arn:kafka": {"username": "click<house", "password": "a&b"},
        }
        self.plan: dict[str, Any] = {
            "role": "server",
            "unit": "clickhouse-server",
            "name": "clickhouse-1",
            "host": "localhost",
            "https_port": self.clickhouse.server_address[1],
            "secret_folder": TLS,
            "folders": [HOT, SLOW, "/var/log/clickhouse-server"],
            "owned_folders": ["/etc/clickhouse-server/config.d", "/etc/clickhouse-server/users.d"],
            "error_log": "/var/log/clickhouse-server/clickhouse-server.err.log",
            "replicated": False,
            "package": f"http://127.0.0.1:{self.vendor.server_address[1]}/clickhouse.tgz",
            "version": VERSION,
            "pin": "",
            "region": "eu-central-1",
            "ca_pem": self.pem["ca"],
            "secrets": {"tls": "arn:tls", "users": {"migrator": "arn:migrator"}, "kafka": "arn:kafka"},
            "volumes": [{"id": "vol-0hot", "mount": HOT}, {"id": "vol-0slow", "mount": SLOW}],
        }
        self.static = {
            "etc/clickhouse-server/config.xml": "<clickhouse/>",
            "etc/clickhouse-server/users.d/10-services.xml": "<clickhouse/>",
        }

    def script(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def device(self, volume: str) -> Path:
        return self.root / f"dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"

    def archive(self, program: str = "") -> None:
        text, buffer = (program or self.program).encode(), io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            info = tarfile.TarInfo(f"clickhouse-common-static-{VERSION}/usr/bin/clickhouse")
            info.size, info.mode = len(text), 0o755
            tar.addfile(info, io.BytesIO(text))
        digest = hashlib.sha512(buffer.getvalue()).hexdigest()
        self.files.update({"/clickhouse.tgz": buffer.getvalue(), "/clickhouse.tgz.sha512": f"{digest}  x\n".encode()})

    def apply(self) -> None:
        self.bundle.mkdir(exist_ok=True)
        for path, text in self.static.items():
            (self.bundle / "files" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.bundle / "files" / path).write_text(text)
        (self.bundle / "plan.json").write_text(json.dumps(self.plan))
        (self.bundle / "cloudwatch-agent.json").write_text("{}")
        for path, text in {"apply/expiry.py": "program", "expiry/service": "unit", "expiry/timer": "unit"}.items():
            (self.bundle / path).parent.mkdir(exist_ok=True)
            (self.bundle / path).write_text(text)
        for arn, value in self.secrets.items():
            (self.folder / f"secret-{arn}").write_text(value if isinstance(value, str) else json.dumps(value))
        (self.folder / "calls").write_text("")
        user = getpass.getuser()
        main(self.bundle, self.root, user, user)

    @property
    def calls(self) -> list[list[str]]:
        return [line.split("\t") for line in (self.folder / "calls").read_text().splitlines()]

    def called(self, *start: str) -> bool:
        return any(call[: len(start)] == list(start) for call in self.calls)

    def text(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine(tmp_path)
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    yield made
    for server in (made.vendor, made.clickhouse):
        server.shutdown()
        server.server_close()


class TestFirstRun:
    def test_a_blank_volume_is_formatted_and_mounted_by_its_uuid(self, machine: Machine) -> None:
        machine.apply()
        formatted = [call[-1] for call in machine.calls if call[0] == "mkfs.xfs"]
        assert formatted == [str(machine.device(volume)) for volume in ("vol-0hot", "vol-0slow")]
        lines = machine.text("/etc/fstab").splitlines()
        assert [line.split()[1] for line in lines] == [HOT, SLOW]
        assert all(line.startswith("UUID=uuid-nvme") and "nofail" in line for line in lines)
        assert machine.called("mount", HOT) and machine.called("mount", SLOW)

    def test_the_server_starts_and_is_asked(self, machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
        machine.apply()
        assert machine.called("systemctl", "restart", "clickhouse-server")
        assert "client SELECT 1" in (machine.folder / "queries").read_text()
        assert f"clickhouse-1: ClickHouse {VERSION} serves" in capsys.readouterr().out
        assert not (machine.root / UNFINISHED.lstrip("/")).exists()

    def test_passwords_are_hashes_and_nobody_else_reads_them(self, machine: Machine) -> None:
        machine.apply()
        users = ElementTree.fromstring(machine.text(USERS)).find("users")
        assert users is not None
        found = {user.tag: user.findtext("password_sha256_hex") for user in users}
        assert found["migrator"] == hashlib.sha256(b"m-word").hexdigest()
        assert "m-word" not in machine.text(USERS)
        for path in (USERS, f"{TLS}/node.key", "/etc/clickhouse-server/config.d/90-kafka.xml"):
            assert stat.S_IMODE((machine.root / path.lstrip("/")).stat().st_mode) == 0o640
        operator = machine.root / "root/.clickhouse-client/config.xml"
        password = ElementTree.fromstring(operator.read_text()).findtext("password") or ""
        assert stat.S_IMODE(operator.stat().st_mode) == 0o600 and len(password) > 30
        assert found["operator"] == hashlib.sha256(password.encode()).hexdigest()

    def test_kafkas_sign_in_is_well_formed_whatever_the_password(self, machine: Machine) -> None:
        machine.apply()
        kafka = ElementTree.fromstring(machine.text("/etc/clickhouse-server/config.d/90-kafka.xml")).find("kafka")
        assert kafka is not None
        assert (kafka.findtext("sasl_username"), kafka.findtext("sasl_password")) == ("click<house", "a&b")

    def test_the_system_is_trusted_beside_the_own_ca(self, machine: Machine) -> None:
        machine.apply()
        assert machine.text(f"{TLS}/trust.pem") == "SYSTEM TRUST\n" + machine.pem["ca"]
        assert machine.text(f"{TLS}/ca.pem") == machine.pem["ca"]

    def test_no_secret_is_in_an_argument_or_in_what_is_said(
        self, machine: Machine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        machine.apply()
        said = capsys.readouterr().out + json.dumps(machine.calls)
        assert not any(secret in said for secret in ("m-word", "a&b", machine.pem["key"]))


class TestLaterRuns:
    def test_nothing_changed_touches_nothing(self, machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
        machine.apply()
        capsys.readouterr()
        machine.apply()
        assert not machine.called("systemctl", "restart") and not machine.called("mkfs.xfs")
        assert not machine.called("mount")
        assert "nothing has changed" in capsys.readouterr().out

    def test_a_changed_configuration_restarts(self, machine: Machine) -> None:
        machine.apply()
        machine.static["etc/clickhouse-server/config.xml"] = "<clickhouse><a/></clickhouse>"
        machine.apply()
        assert machine.called("systemctl", "restart", "clickhouse-server")

    @pytest.mark.parametrize("what", ["password", "certificate", "user"])
    def test_users_and_certificates_are_reloaded(self, machine: Machine, what: str) -> None:
        machine.apply()
        if what == "password":
            machine.secrets["arn:migrator"]["password"] = "other"
        elif what == "certificate":
            machine.secrets["arn:tls"]["certificate"] += "\n"
        else:
            machine.static["etc/clickhouse-server/users.d/10-services.xml"] = "<clickhouse><a/></clickhouse>"
        machine.apply()
        assert not machine.called("systemctl", "restart")
        assert "client SYSTEM RELOAD CONFIG" in (machine.folder / "queries").read_text()

    def test_a_replicas_certificate_restarts_it(self) -> None:
        """Its connections to the Keepers hold the old one until then."""
        plan = {"role": "server", "replicated": True}
        assert service.needs_restart(plan, [f"{TLS}/node.crt"])
        assert not service.needs_restart(plan, [USERS])
        assert service.needs_restart({"role": "keeper"}, [f"{TLS}/node.crt"])
        assert not service.needs_restart({"role": "keeper"}, [])

    def test_a_fragment_that_is_no_longer_wanted_goes(self, machine: Machine) -> None:
        machine.static["etc/clickhouse-server/config.d/50-replication.xml"] = "<clickhouse/>"
        machine.apply()
        del machine.static["etc/clickhouse-server/config.d/50-replication.xml"]
        (machine.bundle / "files/etc/clickhouse-server/config.d/50-replication.xml").unlink()
        machine.apply()
        assert not (machine.root / "etc/clickhouse-server/config.d/50-replication.xml").exists()
        assert machine.called("systemctl", "restart", "clickhouse-server")

    def test_another_version_replaces_the_program(self, machine: Machine) -> None:
        machine.apply()
        machine.plan["version"] = "26.8.9.1"
        machine.archive(CLICKHOUSE.format(version="26.8.9.1"))
        machine.apply()
        assert "26.8.9.1" in machine.text("/usr/local/bin/clickhouse")
        assert machine.called("systemctl", "restart", "clickhouse-server")

    def test_a_run_that_broke_off_is_not_forgotten(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        machine.apply()
        machine.secrets["arn:migrator"]["password"] = "other"
        with monkeypatch.context() as patch:
            patch.setattr(service, "bring_up", lambda *_: (_ for _ in ()).throw(Failed("killed")))
            with pytest.raises(Failed):
                machine.apply()
        machine.apply()
        assert machine.called("systemctl", "restart", "clickhouse-server")
        machine.apply()
        assert not machine.called("systemctl", "restart")


class TestGivenCertificate:
    """It comes with the plan; the secret holds its key alone, as PEM text."""

    @pytest.fixture
    def given(self, machine: Machine) -> Machine:
        machine.plan["certificate"] = machine.pem["crt"]
        machine.secrets["arn:tls"] = machine.pem["key"]
        return machine

    def test_it_is_written_and_served(self, given: Machine, capsys: pytest.CaptureFixture[str]) -> None:
        given.apply()
        assert given.text(f"{TLS}/node.crt") == given.pem["crt"] and given.text(f"{TLS}/node.key") == given.pem["key"]
        assert given.pem["key"] not in capsys.readouterr().out + json.dumps(given.calls)

    @pytest.mark.parametrize("key", ["another", "no key", "in JSON"])
    def test_a_key_that_is_not_its_own_is_refused_and_the_node_goes_on(self, given: Machine, key: str) -> None:
        given.apply()
        before = {path: given.text(f"{TLS}/{path}") for path in ("node.key", "node.crt", "ca.pem")}
        other = certificate(root("Other"), ["localhost"])
        texts = {"another": other.key_pem, "no key": "-", "in JSON": json.dumps({"key": given.pem["key"]})}
        given.secrets["arn:tls"], given.plan["ca_pem"] = texts[key], root("Other").pem
        with pytest.raises(Failed, match="arn:tls: not the private key") as caught:
            given.apply()
        assert "clickhouse-1 in clickhouseCertificates" in str(caught.value)
        assert texts[key].splitlines()[-1] == "-" or texts[key].splitlines()[1 if key == "another" else 0] not in str(
            caught.value
        )
        assert {path: given.text(f"{TLS}/{path}") for path in before} == before
        assert not given.called("systemctl", "restart") and not (given.root / UNFINISHED.lstrip("/")).exists()

    def test_another_one_is_reloaded(self, given: Machine) -> None:
        given.apply()
        other = certificate(root("Other"), ["localhost"])
        given.plan["certificate"], given.secrets["arn:tls"] = other.pem, other.key_pem
        given.apply()
        assert given.text(f"{TLS}/node.key") == other.key_pem
        assert not given.called("systemctl", "restart", "clickhouse-server")
        assert "client SYSTEM RELOAD CONFIG" in (given.folder / "queries").read_text()


class TestRefusals:
    def test_a_volume_with_something_else_on_it_is_not_touched(self, machine: Machine) -> None:
        (machine.folder / machine.device("vol-0hot").name).write_text("ext4")
        with pytest.raises(Failed, match="vol-0hot holds ext4"):
            machine.apply()
        assert not machine.called("mkfs.xfs")

    def test_a_volume_that_is_not_attached(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        machine.device("vol-0slow").unlink()
        monkeypatch.setattr("infra.aws.clickhouse.apply.volumes.device.__defaults__", (0.1,))
        with pytest.raises(Failed, match="vol-0slow is not attached"):
            machine.apply()
        assert not machine.called("systemctl", "restart")

    @pytest.mark.parametrize("pinned", [True, False])
    def test_an_archive_with_another_sum(self, machine: Machine, pinned: bool) -> None:
        if pinned:
            machine.plan["pin"] = "0" * 128
        else:
            machine.files["/clickhouse.tgz.sha512"] = b"0" * 128 + b"  x\n"
        with pytest.raises(Failed, match="sha512 is"):
            machine.apply()
        assert not (machine.root / "usr/local/bin/clickhouse").exists()

    def test_an_archive_that_holds_another_version(self, machine: Machine) -> None:
        machine.archive(CLICKHOUSE.format(version="25.1.1.1"))
        with pytest.raises(Failed, match="another version"):
            machine.apply()

    def test_a_secret_of_somebody_else(self, machine: Machine) -> None:
        machine.secrets["arn:migrator"]["username"] = "worker"
        with pytest.raises(Failed, match="not migrator's"):
            machine.apply()

    def test_a_certificate_for_another_name_is_seen(self, machine: Machine) -> None:
        plan = {**machine.plan, "root": str(machine.root), "host": "localhost.localdomain"}
        machine.apply()
        assert service.https_ping(plan)
        assert not service.https_ping({**plan, "host": "localhost"})

    def test_a_server_that_ends_again_and_again_is_given_up_with_its_log(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (machine.folder / "restarts").write_text("3")
        machine.plan["https_port"] = 1
        log = machine.root / "var/log/clickhouse-server/clickhouse-server.err.log"
        log.parent.mkdir(parents=True)
        log.write_text("Cannot parse config\n")
        with pytest.raises(Failed, match="Cannot parse config"):
            machine.apply()

    def test_files_are_never_half_written(self, tmp_path: Path) -> None:
        user = getpass.getuser()
        files = Files(tmp_path, user, user)
        assert files.write("/etc/a", "one") and not files.write("/etc/a", "one") and files.write("/etc/a", "two")
        assert [path.name for path in (tmp_path / "etc").iterdir()] == ["a"]
        assert files.changed == ["/etc/a", "/etc/a"]


class TestKeeper:
    @pytest.mark.parametrize(
        "peers, lacks",
        [
            ([], ""),
            (["keeper-2"], "although keeper-2 answer"),
        ],
    )
    def test_only_the_first_of_all_may_have_no_leader(
        self, monkeypatch: pytest.MonkeyPatch, peers: list[str], lacks: str
    ) -> None:
        keeper = serve({})
        monkeypatch.setattr(service, "_reachable", lambda host, _: host in peers)
        plan = {"ready_port": keeper.server_address[1], "peers": ["keeper-2", "keeper-3"]}
        found = service.keeper_lacks(plan)
        keeper.shutdown()
        keeper.server_close()
        assert lacks in found and bool(lacks) == bool(found)

    def test_one_with_a_leader_serves(self) -> None:
        keeper = serve({"/ready": b'{"status": "ok", "details": {"role": "follower", "hasLeader": true}}'})
        found = service.keeper_lacks({"ready_port": keeper.server_address[1], "peers": ["a", "b"]})
        keeper.shutdown()
        keeper.server_close()
        assert found == ""


@pytest.mark.parametrize("path", sorted(APPLY.glob("*.py")), ids=lambda path: path.name)
def test_it_runs_on_the_nodes_python(path: Path) -> None:
    """Amazon Linux's own is 3.9: no newer syntax, and nothing but its standard library and the package itself."""
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(alias.name.split(".")[0] in sys.stdlib_module_names for alias in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] in sys.stdlib_module_names
