"""Systems Manager: managed instances, commands, sessions, parameters."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from tests.providers.api.table import serves
from tests.providers.standin import invokes
from tests.providers.standin.cloud import ACCOUNT, Cloud, Refused, Resource

INSTANCE, PROFILE = "aws:ec2/instance:Instance", "aws:iam/instanceProfile:InstanceProfile"
ATTACHED, DOCUMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:ssm/document:Document"
PARAMETER, COMMAND, SESSION = "aws:ssm/parameter:Parameter", "stand-in/command", "stand-in/session"
CORE = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
OWN_DOCUMENTS = (
    "AWS-RunShellScript",
    "AWS-StartPortForwardingSession",
    "AWS-StartPortForwardingSessionToRemoteHost",
    "SSM-SessionManagerRunShell",
)


def managed(cloud: Cloud) -> list[Resource]:
    """Instances whose role lets the agent register."""
    found = []
    for instance in cloud.all(INSTANCE):
        profile = cloud.find(PROFILE, "name", instance.get("iamInstanceProfile"))
        roles = [item for item in cloud.all(ATTACHED) if profile and item.get("role") == profile.get("role")]
        if any(item.get("policyArn") == CORE for item in roles):
            found.append(instance)
    return found


def _online(cloud: Cloud, instance_id: str) -> Resource:
    found = next((item for item in managed(cloud) if item.id == instance_id), None)
    if found is None or found.get("pingStatus", "Online") != "Online":
        raise Refused("TargetNotConnected", f"{instance_id} is not connected.")
    return found


def _document(cloud: Cloud, name: str) -> None:
    if name not in OWN_DOCUMENTS and not cloud.get(DOCUMENT, name):
        raise Refused("InvalidDocument", f"Document {name} does not exist")


@serves("ssm", "DescribeInstanceInformation")
def instances(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = managed(plane.cloud)
    for item in asked.get("Filters", []):
        if item["Key"] == "InstanceIds":
            found = [one for one in found if one.id in item["Values"]]
        elif item["Key"].startswith("tag:"):
            found = [one for one in found if (one.get("tagsAll") or {}).get(item["Key"][4:]) in item["Values"]]
        else:
            raise Refused("InvalidFilterKey", item["Key"])
    listed = [
        {
            "InstanceId": one.id,
            "PingStatus": one.get("pingStatus", "Online"),
            "LastPingDateTime": datetime.now(UTC),
            "AgentVersion": "3.3.0.0",
            "PlatformType": "Linux",
            "IPAddress": one.get("privateIp"),
        }
        for one in found
    ]
    return {"InstanceInformationList": listed}


@serves("ssm", "SendCommand")
def send(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    _document(plane.cloud, asked["DocumentName"])
    targets = asked.get("InstanceIds") or []
    for target in asked.get("Targets", []):
        key = target["Key"]
        if key == "InstanceIds":
            targets = [*targets, *target["Values"]]
        elif key.startswith("tag:"):
            targets = [
                *targets,
                *(
                    one.id
                    for one in managed(plane.cloud)
                    if (one.get("tagsAll") or {}).get(key[4:]) in target["Values"]
                ),
            ]
    command = str(uuid.uuid4())
    for target in targets:
        if target not in {one.id for one in managed(plane.cloud)}:
            raise Refused("InvalidInstanceId", f"Instances [[{target}]] not in a valid state for account {ACCOUNT}")
        if plane.on_command is None:
            raise Refused(
                "NotImplemented", "this test says nothing of what commands do: set on_command of the control plane"
            )
        status, output = plane.on_command(target, asked["DocumentName"], asked.get("Parameters", {}))
        outputs = {"status": status, "output": output, "instance": target, "document": asked["DocumentName"]}
        plane.cloud.put(Resource(COMMAND, f"{command}/{target}", outputs=outputs))
    details = {"CommandId": command, "DocumentName": asked["DocumentName"], "InstanceIds": targets, "Status": "Pending"}
    return {"Command": details | {"TargetCount": len(targets)}}


@serves("ssm", "GetCommandInvocation")
def invocation(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    found = plane.cloud.get(COMMAND, f"{asked['CommandId']}/{asked['InstanceId']}")
    if found is None:
        raise Refused("InvocationDoesNotExist", "")
    failed = found.get("status") != "Success"
    return {
        "CommandId": asked["CommandId"],
        "InstanceId": asked["InstanceId"],
        "DocumentName": found.get("document"),
        "Status": found.get("status"),
        "StatusDetails": found.get("status"),
        "ResponseCode": 1 if failed else 0,
        "StandardOutputContent": "" if failed else found.get("output", "")[:24000],
        "StandardErrorContent": found.get("output", "")[:8000] if failed else "",
    }


@serves("ssm", "StartSession")
def start_session(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    _online(plane.cloud, asked["Target"])
    _document(plane.cloud, asked.get("DocumentName", "SSM-SessionManagerRunShell"))
    if "PortForwarding" in asked.get("DocumentName", "") and not asked.get("Parameters", {}).get("portNumber"):
        raise Refused("InvalidParameters", "portNumber is missing")
    session = f"deployer-{uuid.uuid4().hex[:17]}"
    plane.cloud.put(
        Resource(SESSION, session, outputs={"target": asked["Target"], "parameters": asked.get("Parameters", {})})
    )
    stream = f"wss://ssmmessages.{region}.amazonaws.com/v1/data-channel/{session}?role=publish_subscribe"
    return {"SessionId": session, "TokenValue": uuid.uuid4().hex, "StreamUrl": stream}


@serves("ssm", "TerminateSession")
def end_session(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    if not plane.cloud.get(SESSION, asked["SessionId"]):
        raise Refused("DoesNotExistException", f"Session {asked['SessionId']} does not exist")
    plane.cloud.remove(SESSION, asked["SessionId"])
    return {"SessionId": asked["SessionId"]}


@serves("ssm", "GetParameter")
def parameter(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    name = asked["Name"]
    if name.startswith("/aws/service/"):
        found = invokes.answer(plane.cloud, region, "aws:ssm/getParameter:getParameter", {"name": name})
        return {"Parameter": {"Name": name, "Type": "String", "Value": found["value"], "Version": 1}}
    stored = plane.cloud.get(PARAMETER, name)
    if stored is None:
        raise Refused("ParameterNotFound", f"Parameter {name} not found.")
    hidden = stored.get("type") == "SecureString" and not asked.get("WithDecryption")
    value = "AQICAHencrypted" if hidden else stored.get("value")
    return {
        "Parameter": {
            "Name": name,
            "Type": stored.get("type"),
            "Value": value,
            "Version": stored.get("version"),
            "ARN": stored.arn,
        }
    }
