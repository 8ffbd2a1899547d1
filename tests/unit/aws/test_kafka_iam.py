"""The sign-in to MSK by IAM: a token that MSK's own library signs, taken by the real Kafka client."""

from __future__ import annotations

import base64
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from confluent_kafka.admin import AdminClient

from infra.aws.kafka_iam import KafkaIam
from infra.endpoints import KafkaAddress, access_from_dict, access_input
from infra.errors import UserError


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials to sign with; no request leaves this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")


def test_the_token_is_a_signed_request_to_connect_that_ends_in_a_quarter_of_an_hour(role: None) -> None:
    token, ends = KafkaIam("eu-central-1").token()
    url = urlsplit(base64.urlsafe_b64decode(token + "==").decode())
    assert url.netloc == "kafka.eu-central-1.amazonaws.com"
    query = parse_qs(url.query)
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert "/eu-central-1/kafka-cluster/aws4_request" in query["X-Amz-Credential"][0]
    assert 800 < ends - time.time() <= 900


def test_the_real_client_takes_what_the_access_yields_and_asks_for_the_token(role: None) -> None:
    asked: list[str | None] = []
    access = access_from_dict(access_input(KafkaIam, region="eu-central-1"))
    with access.open() as credential:

        def token(config: str | None) -> tuple[str, float]:
            asked.append(config)
            return credential["oauth_cb"](config)

        # Nothing listens there: the client makes its token before it connects.
        address = KafkaAddress("127.0.0.1:1", "SASL_SSL")
        AdminClient({**address.client_properties({**credential, "oauth_cb": token}), "log_level": 0})
    assert asked


def test_without_credentials_the_step_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(UserError, match="no AWS credentials to sign with"), KafkaIam("eu-central-1").open():
        pass
