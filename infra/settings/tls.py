"""Settings of ClickHouse's TLS on AWS: the stack's own CA, or certificates of a CA that its owner has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, Field

STEPS = ("own", "own+given", "given+own", "given")
"""In the order in which a running stack goes from one CA to the other: nodes change one at a time, and trust each other
all the while."""
EVERY = "*"
"""In place of a node's name: each node that is not named."""
SECRET = re.compile(r"^arn:aws:secretsmanager:([a-z0-9-]+):[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$")


class TlsSettings(BaseModel):
    """Who signs the certificates of ClickHouse's nodes and Keepers, and who is trusted."""

    clickhouseTls: Literal["own", "own+given", "given+own", "given"] = Field(
        "own",
        description="Who signs the certificates of ClickHouse's nodes: the stack's own CA or a given one; after a plus, whom its clients trust besides. A running stack is moved by one step an `up`.",
    )
    clickhouseCaPem: str = Field(
        "", description="The given CA's root certificate, PEM; several while one takes over from another."
    )
    clickhouseCertificates: dict[str, str] = Field(
        {},
        description="Node (clickhouse-1, keeper-1, …, '*': each other one) to its given certificate and the intermediate ones, PEM.",
    )
    clickhouseCertificateKeyArns: dict[str, str] = Field(
        {},
        description="Node or '*' to the secret in Secrets Manager that holds its given certificate's private key: PEM text and nothing else.",
    )
    clickhouseCertificateKmsArn: str = Field(
        "",
        pattern=r"^(arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$",
        description="The KMS key of clickhouseCertificateKeyArns. Empty: aws/secretsmanager.",
    )

    @property
    def own_ca(self) -> bool:
        """Whether the stack has a CA of its own."""
        return self.clickhouseTls != "given"

    @property
    def given_certificates(self) -> bool:
        """Whether the nodes show given certificates."""
        return self.clickhouseTls in ("given+own", "given")


GIVEN = ("clickhouseCaPem", "clickhouseCertificates", "clickhouseCertificateKeyArns", "clickhouseCertificateKmsArn")


def problems(s: TlsSettings, region: str) -> Iterator[str]:
    """What is missing or in the wrong place. What is in the certificates: infra/aws/clickhouse/given.py."""
    if s.clickhouseTls == "own":
        for key in GIVEN:
            if getattr(s, key):
                yield f"{key}: only counts with another clickhouseTls than own (the next step from there: {STEPS[1]})"
        return
    if not s.clickhouseCaPem:
        yield f"clickhouseCaPem: needed with clickhouseTls {s.clickhouseTls}"
    if s.given_certificates:
        for key in GIVEN[1:3]:
            if not getattr(s, key):
                yield f"{key}: needed with clickhouseTls {s.clickhouseTls}"
    for node, arn in s.clickhouseCertificateKeyArns.items():
        found = SECRET.match(arn)
        if not found:
            yield f"clickhouseCertificateKeyArns: {node}: {arn} is no secret's ARN"
        elif found[1] != region:
            yield f"clickhouseCertificateKeyArns: {node}: the secret is in {found[1]}, and the nodes read it in {region}"
