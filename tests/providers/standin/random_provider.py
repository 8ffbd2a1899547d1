"""The stand-in for pulumi-random: really random, and secret where the real one's results are."""

from __future__ import annotations

import base64
import random
import secrets
import string
import uuid
from collections.abc import Mapping
from typing import Any

from tests.providers.standin.cloud import Refused
from tests.providers.standin.server import Failures
from tests.providers.standin.stateless import Stateless

PASSWORD, STRING = "random:index/randomPassword:RandomPassword", "random:index/randomString:RandomString"
ID, PET, UUID, BYTES = (
    "random:index/randomId:RandomId",
    "random:index/randomPet:RandomPet",
    "random:index/randomUuid:RandomUuid",
    "random:index/randomBytes:RandomBytes",
)
INTEGER = "random:index/randomInteger:RandomInteger"
SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
SECRETS = {PASSWORD: frozenset({"result", "bcryptHash"}), BYTES: frozenset({"base64", "hex"})}
WORDS = (
    ("bright", "calm", "eager", "fair", "keen", "loyal", "quick"),
    ("badger", "falcon", "heron", "lynx", "marten", "otter"),
)
CLASSES = (
    ("lower", string.ascii_lowercase),
    ("upper", string.ascii_uppercase),
    ("numeric", string.digits),
    ("special", SPECIAL),
)


class Random(Stateless):
    """pulumi-random."""

    package = "random"

    def secrets(self, type_: str) -> frozenset[str]:
        return SECRETS.get(type_, frozenset())

    def problems(self, type_: str, inputs: Mapping[str, Any]) -> Failures:
        if type_ not in (PASSWORD, STRING):
            return []
        least = sum(inputs.get(f"min{name.title()}", 0) for name, _ in CLASSES)
        if inputs["length"] < max(1, least):
            return [("length", f"Attribute length value must be at least {max(1, least)}, got: {inputs['length']}")]
        if not any(inputs.get(name, True) for name, _ in CLASSES):
            return [("special", "at least one of lower, upper, numeric and special must be on")]
        return []

    def create(self, type_: str, urn: str, inputs: dict) -> tuple[str, dict]:
        if type_ in (PASSWORD, STRING):
            result = characters(inputs)
            outputs = {**inputs, "result": result}
            if type_ == PASSWORD:
                outputs["bcryptHash"] = f"$2a$10${base64.b64encode(secrets.token_bytes(40)).decode()[:53]}"
                return "none", outputs
            return result, outputs
        if type_ in (ID, BYTES):
            raw = secrets.token_bytes(inputs["byteLength" if type_ == ID else "length"])
            plain = {"hex": raw.hex(), "base64": base64.b64encode(raw).decode()}
            if type_ == BYTES:
                return "none", {**inputs, **plain}
            prefix = inputs.get("prefix", "")
            url = base64.urlsafe_b64encode(raw).decode().rstrip("=")
            named = {"hex": plain["hex"], "b64Std": plain["base64"], "b64Url": url, "dec": str(int.from_bytes(raw))}
            return url, {**inputs, **{key: prefix + value for key, value in named.items()}}
        if type_ == PET:
            words = [random.choice(WORDS[0]) for _ in range(inputs.get("length", 2) - 1)] + [random.choice(WORDS[1])]
            name = inputs.get("separator", "-").join([*([inputs["prefix"]] if inputs.get("prefix") else []), *words])
            return name, {**inputs, "length": inputs.get("length", 2), "separator": inputs.get("separator", "-")}
        if type_ == UUID:
            result = str(uuid.uuid4())
            return result, {**inputs, "result": result}
        if type_ == INTEGER:
            number = inputs["min"] + secrets.randbelow(inputs["max"] - inputs["min"] + 1)
            return str(number), {**inputs, "result": number}
        raise Refused("Unsupported", f"{type_} is not served by the stand-in provider")


def characters(inputs: Mapping[str, Any]) -> str:
    """Characters of the wanted classes, each as often as it has to be at least."""
    special = inputs.get("overrideSpecial") or SPECIAL
    classes = [(name, special if name == "special" else letters) for name, letters in CLASSES if inputs.get(name, True)]
    picked = [secrets.choice(letters) for name, letters in classes for _ in range(inputs.get(f"min{name.title()}", 0))]
    everything = "".join(letters for _, letters in classes)
    picked += [secrets.choice(everything) for _ in range(inputs["length"] - len(picked))]
    random.SystemRandom().shuffle(picked)
    return "".join(picked)
