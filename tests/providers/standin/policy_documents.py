"""aws.iam.getPolicyDocument: a policy's JSON from its statements."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def written(given: Mapping[str, Any]) -> dict[str, Any]:
    """The document and its compact form."""
    statements = []
    for item in given.get("statements") or []:
        statement: dict[str, Any] = {"Effect": item.get("effect", "Allow")}
        statement |= {"Sid": item["sid"]} if item.get("sid") else {}
        for key, name in (
            ("actions", "Action"),
            ("notActions", "NotAction"),
            ("resources", "Resource"),
            ("notResources", "NotResource"),
        ):
            if values := item.get(key):
                statement[name] = values[0] if len(values) == 1 else values
        for key, name in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
            if item.get(key):
                statement[name] = {
                    one["type"]: one["identifiers"][0] if len(one["identifiers"]) == 1 else one["identifiers"]
                    for one in item[key]
                }
                statement[name] = "*" if statement[name] == {"*": "*"} else statement[name]
        for one in item.get("conditions") or []:
            statement.setdefault("Condition", {}).setdefault(one["test"], {})[one["variable"]] = (
                one["values"][0] if len(one["values"]) == 1 else one["values"]
            )
        statements.append(statement)
    text = json.dumps({"Version": given.get("version", "2012-10-17"), "Statement": statements}, indent=2)
    return {
        "json": text,
        "minifiedJson": json.dumps(json.loads(text)),
        "id": hashlib.sha256(text.encode()).hexdigest()[:10],
    }
