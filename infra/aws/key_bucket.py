"""The list of live credentials' public keys as an object in a bucket, changed without losing anybody's change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.aws.api import as_user_error, client
from infra.config import PROJECT
from infra.errors import UserError
from infra.settings import Settings
from infra.tenants import Keys, empty_list, key_list_text

OBJECT = "credentials/jwks.json"
TOKEN = "credentials/agents.jwt"
"""Neither collectors nor worker may read it: their roles name the other object."""
TRIES = 8
BUCKET_LENGTH = 63
"""What S3 takes at most (bucket naming rules)."""


def bucket_name(settings: Settings, stack: str) -> str:
    """Fixed, since the command line and the worker must know it; bucket names are one space for all of AWS.

    A stack's name for which the region leaves no room is cut, and a hash keeps it apart from others that begin like it.
    """
    ending = f"-keys-{settings.awsAccount}-{settings.awsRegion}"
    room = BUCKET_LENGTH - len(f"{PROJECT}-{ending}")
    if len(stack) > room:
        digest = hashlib.sha256(stack.encode()).hexdigest()[:6]
        stack = f"{stack[: room - len(digest) - 1].rstrip('-')}-{digest}"
    return f"{PROJECT}-{stack}{ending}"


@dataclass(frozen=True)
class KeyObject:
    """The list as an S3 object; an infra.tenants.KeyStore."""

    region: str
    bucket: str
    key: str

    def read(self) -> Keys:
        return self._get()[0]

    def change(self, edit: Callable[[Keys], Keys]) -> None:
        """Writes only over the version that was read (S3's conditional writes), else reads again."""
        from botocore.exceptions import ClientError

        for _ in range(TRIES):
            keys, etag = self._get()
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            try:
                client("s3", self.region).put_object(
                    Bucket=self.bucket,
                    Key=self.key,
                    Body=key_list_text(edit(keys)).encode(),
                    ContentType="application/json",
                    **condition,
                )
                return
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                    with as_user_error(f"key list s3://{self.bucket}/{self.key}"):
                        raise
        raise UserError(f"key list s3://{self.bucket}/{self.key}: others keep changing it; try again")

    def ensure(self) -> None:
        """Writes a list without any credential, unless there is one."""
        if not self._get()[1]:
            self.change(lambda keys: keys)

    def _get(self) -> tuple[Keys, str]:
        s3: Any = client("s3", self.region)
        with as_user_error(f"key list s3://{self.bucket}/{self.key}"):
            try:
                found = s3.get_object(Bucket=self.bucket, Key=self.key)
            except s3.exceptions.NoSuchKey:
                return empty_list(), ""
            return json.loads(found["Body"].read())["keys"], found["ETag"]


@dataclass(frozen=True)
class TokenObject:
    """A token as an S3 object, encrypted by the bucket's own key; an infra.tenants.TokenPlace."""

    region: str
    bucket: str

    def read(self) -> str:
        s3: Any = client("s3", self.region)
        with as_user_error(f"token s3://{self.bucket}/{TOKEN}"):
            try:
                return s3.get_object(Bucket=self.bucket, Key=TOKEN)["Body"].read().decode()
            except s3.exceptions.NoSuchKey:
                return ""

    def write(self, token: str) -> None:
        with as_user_error(f"token s3://{self.bucket}/{TOKEN}"):
            client("s3", self.region).put_object(Bucket=self.bucket, Key=TOKEN, Body=token.encode())
