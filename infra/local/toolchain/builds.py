"""How each tool is built: its version, its inputs, the programs and the room it takes, and the commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.errors import UserError
from infra.local.toolchain.cache import file_hash
from infra.local.toolchain.versions import version_of

HERE = Path(__file__).parent
OTHER_ENGINES = ("26.3.0", "26.9.0")
"""Of chdb-core, beside the one in requirements.lock."""
RECIPE = "1"
"""Part of every key: raise it when the commands below change what they make."""


class Site(Protocol):
    """Where a build happens; see build.py."""

    out: Path
    """Becomes the tool's folder."""
    work: Path
    """Scratch, gone afterwards."""

    def run(self, *command: str | Path, cwd: Path, env: dict[str, str]) -> None:
        """Runs a command into the build's log; raises when it fails."""
        ...


@dataclass(frozen=True)
class Recipe:
    """A tool that can be built."""

    name: str
    title: str
    version: str
    inputs: tuple[Path, ...]
    programs: tuple[str, ...]
    cache_gib: float
    """Room in the cache folder while building."""
    home_gib: float
    """Room that Go's and Maven's own caches take."""
    typical: str
    build: Callable[[Site], None]


def go_environment(scratch: Path) -> dict[str, str]:
    """The user's environment (proxies, module cache) without what would change the result or its checks."""
    dropped = {"GOOS", "GOARCH", "GOEXPERIMENT", "GO111MODULE", "GOINSECURE", "GONOSUMCHECK", "GOROOT"}
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    flags = "-mod=readonly -trimpath -buildvcs=false"
    return kept | {"GOFLAGS": flags, "GOWORK": "off", "CGO_ENABLED": "0", "GOTMPDIR": str(scratch)}


def _module(site: Site, name: str) -> tuple[Path, dict[str, str]]:
    """A copy of the folder `name` with its go.mod, and the environment to build it with."""
    scratch = site.work / "tmp"
    scratch.mkdir(exist_ok=True)
    source = site.work / name
    shutil.copytree(HERE / name, source)
    return source, go_environment(scratch)


def _pulumi(site: Site) -> None:
    source, env = _module(site, "pulumi")
    version = f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version_of('pulumi')}"
    program = site.out / "bin" / "pulumi"
    package = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
    site.run("go", "build", "-ldflags", f"-s -w -X {version}", "-o", program, package, cwd=source, env=env)
    # Beside the engine, as in the official archive: from elsewhere on PATH it would work with a warning.
    shutil.copy(HERE / "bin" / "pulumi-resource-pulumi-python", program.parent)
    site.run(program, "version", cwd=source, env=env | {"PULUMI_SKIP_UPDATE_CHECK": "true"})


def _collector(site: Site) -> None:
    builder, env = _module(site, "ocb")
    ocb = site.work / "ocb-bin"
    site.run("go", "build", "-o", ocb, "go.opentelemetry.io/collector/cmd/builder", cwd=builder, env=env)
    source, env = _module(site, "collector")
    # ocb writes the Go sources only; the committed go.mod and go.sum say which modules they are built with.
    config = ("--config", "builder.yaml", "--skip-get-modules", "--skip-compilation")
    site.run(ocb, *config, cwd=source, env=env)
    for name in ("go.mod", "go.sum"):
        shutil.copy(source / name, source / "src" / name)
    import yaml

    for edit in yaml.safe_load((source / "edits.yaml").read_text()):
        _edited_module(site, edit, source / "src", env)
    program = site.out / "bin" / "otelcol"
    site.run("go", "build", "-ldflags", "-s -w", "-o", program, ".", cwd=source / "src", env=env)
    site.run(program, "components", cwd=source, env=env)


def _edited_module(site: Site, edit: dict[str, str], main: Path, env: dict[str, str]) -> None:
    """Has the Go module in `main` use a copy of one of its modules with a line more; see collector/edits.yaml."""
    module, copy = edit["module"], site.work / "edited" / edit["module"].rpartition("/")[2]
    download = ("go", "mod", "download", "-json", module)
    found = subprocess.run(download, cwd=main, env=env, capture_output=True, text=True, check=True)
    shutil.copytree(json.loads(found.stdout)["Dir"], copy, copy_function=shutil.copyfile)
    file = copy / edit["file"]
    text = file.read_text()
    if text.count(edit["after"]) != 1:
        raise UserError(f"collector/edits.yaml: {module}/{edit['file']} has no single line {edit['after']!r} any more")
    copy.chmod(0o755)
    file.write_text(text.replace(edit["after"], f"{edit['after']}\n\t\t{edit['insert']}"))
    # Relative, so that the program comes out the same wherever it is built.
    site.run("go", "mod", "edit", f"-replace={module}={os.path.relpath(copy, main)}", cwd=main, env=env)


def _crane(site: Site) -> None:
    source, env = _module(site, "crane")
    version = f"github.com/google/go-containerregistry/cmd/crane/cmd.Version=v{version_of('crane')}"
    program = site.out / "bin" / "crane"
    package = "github.com/google/go-containerregistry/cmd/crane"
    site.run("go", "build", "-ldflags", f"-s -w -X {version}", "-o", program, package, cwd=source, env=env)
    site.run(program, "version", cwd=source, env=env)


def _session_manager_plugin(site: Site) -> None:
    source, env = _module(site, "session-manager-plugin")
    program = site.out / "bin" / "session-manager-plugin"
    package = "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main"
    site.run("go", "build", "-ldflags", "-s -w", "-o", program, package, cwd=source, env=env)
    site.run(program, "--version", cwd=source, env=env)


def _kafka(site: Site) -> None:
    shutil.copy(HERE / "kafka" / "pom.xml", site.work)
    shutil.copy(HERE / "kafka" / "log4j2.properties", site.out)
    plugin = f"org.apache.maven.plugins:maven-dependency-plugin:{version_of('maven-dependency-plugin')}"
    jars = site.out / "lib"
    options = ("--batch-mode", "--no-transfer-progress", "--strict-checksums")
    goal = (f"{plugin}:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}")
    site.run("mvn", *options, *goal, cwd=site.work, env=dict(os.environ))
    lines = (HERE / "kafka" / "jars.sha256").read_text().splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    found = {path.name: file_hash(path) for path in jars.iterdir()}
    if found != expected:
        wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        raise UserError(
            f"Maven's repository gave other Kafka jars than infra/local/toolchain/kafka/jars.sha256 lists: "
            f"{', '.join(wrong)}. Remove them from ~/.m2/repository and run it again; if they stay different, "
            "the mirror in Maven's settings.xml serves changed files."
        )


def _engine(version: str) -> Callable[[Site], None]:
    def install(site: Site) -> None:
        lock = HERE / "engines" / f"{version}.txt"
        options = ("--quiet", "--no-deps", "--require-hashes", "--target", site.out / "site")
        # uv stands beside the interpreter: it is one of the project's own development dependencies.
        uv = Path(sys.executable).parent / "uv"
        site.run(uv, "pip", "install", *options, "--requirement", lock, cwd=site.work, env=dict(os.environ))

    return install


def _inputs(*names: str) -> tuple[Path, ...]:
    return tuple(HERE / name for name in names)


RECIPES = (
    Recipe(
        name="kafka",
        title=f"Apache Kafka {version_of('kafka')}",
        version=version_of("kafka"),
        inputs=_inputs("kafka/pom.xml", "kafka/jars.sha256", "kafka/log4j2.properties"),
        programs=("java", "maven"),
        cache_gib=0.1,
        home_gib=0.2,
        typical="5 to 60 s",
        build=_kafka,
    ),
    Recipe(
        name="pulumi",
        title=f"the Pulumi engine {version_of('pulumi')}",
        version=version_of("pulumi"),
        inputs=_inputs("pulumi/go.mod", "pulumi/go.sum", "bin/pulumi-resource-pulumi-python"),
        programs=("go",),
        cache_gib=1.2,
        home_gib=2.2,
        typical="3 to 7 min",
        build=_pulumi,
    ),
    Recipe(
        name="collector",
        title=f"the OpenTelemetry Collector {version_of('collector')}",
        version=version_of("collector"),
        inputs=_inputs(
            *("ocb/go.mod", "ocb/go.sum", "collector/builder.yaml"),
            *("collector/go.mod", "collector/go.sum", "collector/edits.yaml"),
        ),
        programs=("go",),
        cache_gib=1.2,
        home_gib=2.2,
        typical="2 to 5 min",
        build=_collector,
    ),
    # Only a stack on AWS asks for it.
    Recipe(
        name="crane",
        title=f"crane {version_of('crane')}",
        version=version_of("crane"),
        inputs=_inputs("crane/go.mod", "crane/go.sum"),
        programs=("go",),
        cache_gib=0.1,
        home_gib=0.3,
        typical="5 to 60 s",
        build=_crane,
    ),
    # Only tests ask for it: it has to take the arguments that infra/aws/tunnel.py gives it.
    Recipe(
        name="session-manager-plugin",
        title=f"AWS's session-manager-plugin {version_of('session-manager-plugin')}",
        version=version_of("session-manager-plugin"),
        inputs=_inputs("session-manager-plugin/go.mod", "session-manager-plugin/go.sum"),
        programs=("go",),
        cache_gib=0.1,
        home_gib=0.4,
        typical="5 to 60 s",
        build=_session_manager_plugin,
    ),
    # Only tests ask for these: the schema on the engine that production runs (LTS) and on the newest one.
    *(
        Recipe(
            name=f"chdb-core-{version}",
            title=f"ClickHouse's engine {version} (chdb-core)",
            version=version,
            inputs=_inputs(f"engines/{version}.txt"),
            programs=(),
            cache_gib=0.7,
            home_gib=0,
            typical="10 to 60 s",
            build=_engine(version),
        )
        for version in OTHER_ENGINES
    ),
)
