"""Checks of collectors in a Kubernetes cluster: whether it answers and has what is needed, and which collectors run there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial

from infra.aws.eks_kubeconfig import described
from infra.collector import IMAGE, workload_name
from infra.config import PROJECT
from infra.doctor.aws import Seen
from infra.doctor.check import Check, Result, Unseen, aws_answers, fail, ok, warn
from infra.errors import UserError
from infra.images import image_reference
from infra.kubernetes import running
from infra.kubernetes.cluster import ask, check_served


def checks(seen: Seen) -> Iterator[Check]:
    """None where the collectors run on ECS."""
    if seen.settings.collectorPlatform != "kubernetes":
        return
    yield Check("Kubernetes", partial(cluster, seen))
    yield Check("collectors", partial(collectors, seen))


def cluster(seen: Seen) -> Result:
    """Whether its API server answers us, is new enough and serves what an `up` needs."""
    name = seen.settings.kubernetes_cluster
    if seen.settings.kubernetesEksCluster and not shutil.which("aws"):
        return fail("`aws` is not on PATH, and signs in to an EKS cluster", "install the AWS CLI, version 2")
    served = ask(_kubeconfig(seen), name)
    check_served(served)
    return ok(f"{name} answers: Kubernetes {served.version}")


def collectors(seen: Seen) -> Result:
    """What runs against what is wanted, by number and by image."""
    if cluster(seen).state != "ok":
        raise Unseen("not without the cluster")
    namespace, workload = seen.settings.kubernetesNamespace, workload_name(f"{PROJECT}-{seen.name}")
    try:
        found = running.collectors(seen.settings, seen.name, _kubeconfig(seen))
    except UserError as error:
        raise Unseen(str(error)) from None
    if found is None:
        raise Unseen(f"there is no Deployment {workload} in {namespace}: the stack is not up")
    if found.available < found.wanted:
        return fail(
            f"{found.available} of {found.wanted} pods are available",
            f"`kubectl -n {namespace} describe pods -l app.kubernetes.io/instance={PROJECT}-{seen.name}` and "
            f"`kubectl -n {namespace} logs deployment/{workload} --all-containers` say why",
        )
    if found.image != image_reference(IMAGE):
        return warn(f"{found.image} runs, configs/versions.yaml wants {image_reference(IMAGE)}", "an `up` rolls it")
    return ok(f"{found.available} pods, {found.image}")


def _kubeconfig(seen: Seen) -> str | None:
    """None: that of whoever asks."""
    if seen.settings.kubernetesContext:
        return None
    seen.signed_in()
    with aws_answers():
        return described(seen.settings)
