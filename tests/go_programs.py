"""Go programs that judge for the tests: the models that others publish, and linters. Each is a folder with a go.mod, built once
into the tools' cache."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from infra.local.toolchain import ensure
from infra.local.toolchain.builds import Recipe, Site, go_environment


def version_of_module(folder: Path, module: str) -> str:
    """The version of `module`, as the folder's go.mod has it."""
    lines = (line.split() for line in (folder / "go.mod").read_text().splitlines())
    return next(words[words.index(module) + 1] for words in lines if module in words and words[0] != "tool")


@cache
def built(folder: Path, module: str, package: str = ".", home_gib: float = 0.6, typical: str = "20 to 60 s") -> Path:
    """The program of `package` (of the folder itself, or of a module that it names), whose subject is `module`."""
    inputs = tuple(sorted([*folder.glob("go.*"), *folder.glob("*.go")]))

    def build(site: Site) -> None:
        source, scratch = site.work / "source", site.work / "tmp"
        for made in (source, scratch):
            made.mkdir()
        for path in inputs:
            shutil.copy(path, source)
        command = ("go", "build", "-ldflags", "-s -w", "-o", site.out / "bin" / folder.name, package)
        site.run(*command, cwd=source, env=go_environment(scratch))

    recipe = Recipe(
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
    return ensure([recipe.name], recipes=[recipe]).parts[recipe.name].folder / "bin" / folder.name
