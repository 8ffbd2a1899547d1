"""The worker on this machine: the loop of infra/worker as a supervised process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pulumi

from infra.endpoints import Parts, access_input
from infra.local.process import Process, ProcessArgs
from infra.local.webhook_secret import WebhookSecret
from infra.settings import Settings
from infra.webhook_secret import SecretFile
from infra.worker.config import written_config


@dataclass(frozen=True)
class WorkerArgs:
    """What the local worker needs."""

    settings: Settings
    run: Path
    parts: Parts
    webhook_secret: Path
    """Where the secret is that signs calls of budgetWebhookUrl."""


class Worker(pulumi.ComponentResource):
    """One worker process."""

    def __init__(self, name: str, args: WorkerArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:local:Worker", name, None, opts)
        file = args.run / "worker.json"
        access = None
        if args.settings.budgetWebhookUrl:
            made = WebhookSecret(f"{name}-webhook-secret", args.webhook_secret, pulumi.ResourceOptions(parent=self))
            access = access_input(SecretFile, path=made.path)
        Process(
            f"{name}-process",
            "worker",
            ProcessArgs(
                run=args.run,
                command=[sys.executable, "-m", "infra.worker", "--config", str(file)],
                ports={},
                files={str(file): written_config(args.settings, args.parts, access)},
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
