"""Labels of what is made in the cluster."""

from __future__ import annotations

from infra.config import PROJECT

PART = "collector"


def selector(prefix: str) -> dict[str, str]:
    """The labels by which pods are found; never changed, for a Deployment can't."""
    return {"app.kubernetes.io/name": PART, "app.kubernetes.io/instance": prefix}


def labels(prefix: str) -> dict[str, str]:
    """On everything."""
    return {
        **selector(prefix),
        "app.kubernetes.io/part-of": PROJECT,
        "app.kubernetes.io/managed-by": "pulumi",
    }
