"""The engine's dynamic provider as it always is, but that the worker's image gets one small package.

The image's own tests install the lock file's packages for arm64; here a hundred megabytes of them would say nothing new.
Everything else of the image is the real thing: base, layers, sign-in, push.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from infra.aws import image


def one_package(target: Path, python: str, architecture: str) -> None:
    package = target / "standin_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f'PYTHON = "{python}"\nARCHITECTURE = "{architecture}"\n')


image.install_packages = one_package
runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
