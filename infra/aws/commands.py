"""Commands on an instance by SSM Run Command: no port is open for it, and its output comes back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from infra.aws.api import as_user_error, client
from infra.errors import UserError

POLL_SECONDS = 2.0
FIRST_POLL_SECONDS = 0.2
"""After it was sent, doubled up to POLL_SECONDS: a node on which nothing has changed is done in a second."""
DOCUMENT = "AWS-RunShellScript"
RUNNING = ("Pending", "InProgress", "Delayed", "Cancelling")
OUTPUT_LINES = 20


def wait_online(region: str, instance_id: str, seconds: float) -> None:
    """Waits until the instance's SSM agent answers. Raises UserError when it does not within `seconds`."""
    ssm, deadline = client("ssm", region), time.monotonic() + seconds
    filters = [{"Key": "InstanceIds", "Values": [instance_id]}]
    while True:
        with as_user_error(f"instance {instance_id}"):
            found = ssm.describe_instance_information(Filters=filters)["InstanceInformationList"]
        if found and found[0].get("PingStatus") == "Online":
            return
        if time.monotonic() > deadline:
            status = found[0].get("PingStatus") if found else "not registered"
            raise UserError(
                f"instance {instance_id}: its SSM agent is not online after {seconds:g} s ({status}). Look at its "
                "console output (aws ec2 get-console-output); it needs a way out to SSM (NAT or interface endpoints) "
                "and the role's AmazonSSMManagedInstanceCore. The next `up` continues."
            )
        time.sleep(POLL_SECONDS)


def run_command(region: str, instance_id: str, commands: Sequence[str], seconds: int) -> str:
    """Runs shell commands as root on the instance and returns their output.

    What is passed is kept in SSM's command history: never a secret. Raises UserError with the output's end when
    the commands fail or take longer than `seconds`.
    """
    ssm = client("ssm", region)
    with as_user_error(f"instance {instance_id}"):
        sent = ssm.send_command(
            InstanceIds=[instance_id],
            DocumentName=DOCUMENT,
            Parameters={"commands": list(commands), "executionTimeout": [str(seconds)]},
            TimeoutSeconds=60,
        )["Command"]["CommandId"]
    result = _wait(ssm, sent, instance_id, time.monotonic() + seconds + 60)
    if result["Status"] != "Success":
        said = (result.get("StandardOutputContent", "") + result.get("StandardErrorContent", "")).strip()
        end = "\n".join(said.splitlines()[-OUTPUT_LINES:])
        raise UserError(
            f"instance {instance_id}: {result.get('StatusDetails', result['Status'])}, exit code "
            f"{result.get('ResponseCode', -1)}. It said:\n{end or '(nothing)'}\nThe next `up` tries again."
        )
    return result.get("StandardOutputContent", "")


def _wait(ssm: Any, command_id: str, instance_id: str, deadline: float) -> dict[str, Any]:
    pause = FIRST_POLL_SECONDS
    while True:
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)
        try:
            with as_user_error(f"instance {instance_id}"):
                result = ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
        except UserError as error:
            # Known to SSM a moment after it was sent.
            if "InvocationDoesNotExist" not in str(error) or time.monotonic() > deadline:
                raise
            continue
        if result["Status"] not in RUNNING:
            return result
        if time.monotonic() > deadline:
            raise UserError(
                f"instance {instance_id}: command {command_id} is still {result['Status']}; see SSM's history"
            )
