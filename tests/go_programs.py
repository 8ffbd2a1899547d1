"""Go programs that judge for the tests: the models that others publish, and linters. Each is a folder with a go.mod, built once
into the tools' cache. `python -m tests.go_programs` builds them, and all else that only tests take from there."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from infra.local.toolchain import ensure
from infra.local.toolchain.builds import RECIPES, Recipe, Site, go_environment


def version_of_module(folder: Path, module: str) -> str:
    """The version of `module`, as the folder's go.mod has it."""
    lines = (line.split() for line in (folder / "go.mod").read_text().splitlines())
    return next(words[words.index(module) + 1] for words in lines if module in words and words[0] != "tool")


def recipe(folder: Path, module: str, package: str = ".", home_gib: float = 0.6, typical: str = "20 to 60 s") -> Recipe:
    """How the program of `package` (of the folder itself, or of a module that it names), whose subject is `module`, is built."""
    inputs = tuple(sorted([*folder.glob("go.*"), *folder.glob("*.go")]))

    def build(site: Site) -> None:
        source, scratch = site.work / "source", site.work / "tmp"
        for made in (source, scratch):
            made.mkdir()
        for path in inputs:
            shutil.copy(path, source)
        command = ("go", "build", "-ldflags", "-s -w", "-o", site.out / "bin" / folder.name, package)
        site.run(*command, cwd=source, env=go_environment(scratch))

    return Recipe(
        name=f"tests-{folder.name}",
        title=module,
        version=version_of_module(folder, module),
        inputs=inputs,
        programs=("go",),
        cache_gib=0.1,
        home_gib=home_gib,
        typical=typical,
        build=build,
    )


HERE = Path(__file__).parent
ACTIONLINT = recipe(HERE / "actionlint", "github.com/rhysd/actionlint", "github.com/rhysd/actionlint/cmd/actionlint")
COMPOSE = recipe(HERE / "compose_project", "github.com/compose-spec/compose-go/v2")
GRAFANA = recipe(HERE / "grafana_models", "github.com/grafana/grafana-openapi-client-go")
KUBERNETES = recipe(HERE / "kubernetes_models", "k8s.io/kubernetes", home_gib=1.5, typical="1 to 3 min")


@cache
def built(recipe: Recipe) -> Path:
    """The program, built when it is not there yet."""
    return ensure([recipe.name], recipes=[recipe]).parts[recipe.name].folder / "bin" / recipe.inputs[0].parent.name


if __name__ == "__main__":
    # Before the tests: a build takes minutes on a busy machine, and a test's time limit is no judge of that.
    wanted = (*RECIPES, ACTIONLINT, COMPOSE, GRAFANA, KUBERNETES)
    ensure([each.name for each in wanted], recipes=wanted)
