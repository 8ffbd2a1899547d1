"""`python -m tests.providers.standin PACKAGE`: what the scripts pulumi-resource-PACKAGE run."""

from __future__ import annotations

import sys

from tests.providers.standin.cloud import Cloud
from tests.providers.standin.protocol import bare


def main(package: str) -> None:
    """Serves one package; each process loads only its own."""
    bare()
    from tests.providers.standin.process import sdk_version, serve

    if package == "aws":
        from tests.providers.standin.aws import Aws as Provider
    elif package == "kubernetes":
        from tests.providers.standin.kubernetes_provider import Kubernetes as Provider
    elif package == "random":
        from tests.providers.standin.random_provider import Random as Provider
    elif package == "tls":
        from tests.providers.standin.tls_provider import Tls as Provider
    else:
        raise SystemExit(f"there is no stand-in for {package}")
    provider = Provider(Cloud.from_environment())
    provider.version = sdk_version(package)
    serve(provider)


main(sys.argv[1])
