"""Signatures that every Standard Webhooks library verifies unchanged."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidSecret, InvalidSignature
from app.domain.event import payload
from app.domain.signing import (
    MAX_SECRET_BYTES,
    MIN_SECRET_BYTES,
    TOLERANCE_SECONDS,
    secret_from_bytes,
    secret_key,
    sign,
    signed_headers,
    verify,
)
from tests.builders import make_event, make_names
from tests.domain.strategies import RULE

KEY, OLDER_KEY, FOREIGN_KEY = (bytes([byte]) * 32 for byte in (1, 2, 3))
SECRET, OLDER, FOREIGN = (secret_from_bytes(key) for key in (KEY, OLDER_KEY, FOREIGN_KEY))
WEBHOOK_ID = "evt_recdg3lyic736tk6hfecg2tbl4"
NOW = 1710497131
BODY = b'{"type":"call.completed"}'

keys = st.binary(min_size=MIN_SECRET_BYTES, max_size=MAX_SECRET_BYTES)


def signed(*signing_keys: bytes, body: bytes = BODY, webhook_id: str = WEBHOOK_ID, at: int = NOW) -> dict[str, str]:
    """Return the headers of a delivery."""
    return signed_headers(signing_keys, webhook_id, at, body)


def by_standardwebhooks(secret: str, body: bytes, headers: dict[str, str]) -> None:
    standardwebhooks.Webhook(secret).verify(body, headers)


def by_svix(secret: str, body: bytes, headers: dict[str, str]) -> None:
    svix.webhooks.Webhook(secret).verify(body, headers)


# Checks a delivery that was sent just now by this machine's clock; raises one of `REFUSALS`, or returns.
Verify = Callable[[str, bytes, dict[str, str]], None]
REFUSALS = (standardwebhooks.webhooks.WebhookVerificationError, svix.webhooks.WebhookVerificationError)
LIBRARIES = pytest.mark.parametrize("library", [by_standardwebhooks, by_svix])


def test_the_signature_of_the_reference_libraries_own_example() -> None:
    """The reference libraries of Standard Webhooks test themselves with these values."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = sign([secret_key(secret)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


class TestTheLibraries:
    @LIBRARIES
    @RULE
    @given(key=keys, sequence=st.integers(1, 99), text=st.text(max_size=30))
    def test_verify_what_we_sign(self, library: Verify, key: bytes, sequence: int, text: str) -> None:
        body = payload(make_names(), make_event(), sequence=sequence, subscription_id="sub_1", metadata={"text": text})
        headers = signed(key, body=body, at=int(datetime.now(UTC).timestamp()))
        library(secret_from_bytes(key), body, headers)

    @LIBRARIES
    @pytest.mark.parametrize("known", [SECRET, OLDER])
    def test_verify_with_either_secret_while_one_is_rotated(self, library: Verify, known: str) -> None:
        headers = signed(KEY, OLDER_KEY, at=int(datetime.now(UTC).timestamp()))
        assert headers["webhook-signature"].count("v1,") == 2
        library(known, BODY, headers)

    @LIBRARIES
    def test_refuse_a_secret_that_did_not_sign(self, library: Verify) -> None:
        headers = signed(KEY, OLDER_KEY, at=int(datetime.now(UTC).timestamp()))
        with pytest.raises(REFUSALS):
            library(FOREIGN, BODY, headers)

    @RULE
    @given(key=keys, body=st.text(max_size=50))
    def test_sign_what_we_sign(self, key: bytes, body: str) -> None:
        secret = secret_from_bytes(key)
        ours = sign([key], WEBHOOK_ID, NOW, body.encode())
        at = datetime.fromtimestamp(NOW, UTC)
        assert standardwebhooks.Webhook(secret).sign(WEBHOOK_ID, at, body) == ours
        assert svix.webhooks.Webhook(secret).sign(WEBHOOK_ID, at, body) == ours


class TestVerifying:
    @RULE
    @given(st.lists(keys, min_size=1, max_size=3, unique=True), st.binary(max_size=60), st.data())
    def test_accepts_a_delivery_signed_with_any_known_secret(
        self, signing_keys: list[bytes], body: bytes, data: st.DataObject
    ) -> None:
        headers = signed(*signing_keys, body=body)
        known = secret_from_bytes(data.draw(st.sampled_from(signing_keys)))
        verify([known], headers, body, NOW)
        verify([FOREIGN, known], headers, body, NOW)

    @RULE
    @given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
    def test_notices_every_changed_byte_of_the_body(self, at: int, change: int) -> None:
        tampered = bytearray(BODY)
        tampered[at] ^= change
        with pytest.raises(InvalidSignature):
            verify([SECRET], signed(KEY), bytes(tampered), NOW)

    @pytest.mark.parametrize(
        "tampered",
        [
            {"webhook-id": "evt_another"},
            {"webhook-timestamp": str(NOW + 1)},
            {"webhook-signature": signed(FOREIGN_KEY)["webhook-signature"]},
            {"webhook-signature": signed(KEY)["webhook-signature"].replace("v1,", "v2,")},
            {"webhook-signature": signed(KEY)["webhook-signature"].removeprefix("v1,")},
            {"webhook-signature": signed(KEY)["webhook-signature"][:-2]},
            {"webhook-signature": "v1,"},
        ],
        ids=str,
    )
    def test_notices_a_changed_header(self, tampered: dict[str, str]) -> None:
        with pytest.raises(InvalidSignature):
            verify([SECRET], {**signed(KEY), **tampered}, BODY, NOW)

    @pytest.mark.parametrize("off", [-TOLERANCE_SECONDS, TOLERANCE_SECONDS, 0])
    def test_accepts_clocks_that_differ_a_little(self, off: int) -> None:
        verify([SECRET], signed(KEY), BODY, NOW + off)

    @pytest.mark.parametrize("off", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1, 86_400])
    def test_refuses_a_delivery_of_another_time(self, off: int) -> None:
        with pytest.raises(InvalidSignature):
            verify([SECRET], signed(KEY), BODY, NOW + off)

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    @pytest.mark.parametrize(
        "value", [None, "", "   ", "\udcff", "é", "-1", "1e9", "9" * 5000, "x" * 5000, "v1,\ud800 v1"]
    )
    def test_refuses_headers_that_are_missing_or_nonsense(self, name: str, value: str | None) -> None:
        """And raises nothing else, whatever bytes a header was decoded from."""
        headers = {key: text for key, text in signed(KEY).items() if key != name}
        if value is not None:
            headers[name] = value
        with pytest.raises(InvalidSignature):
            verify([SECRET], headers, BODY, NOW)

    def test_refuses_everything_without_a_secret(self) -> None:
        with pytest.raises(InvalidSignature):
            verify([], signed(KEY), BODY, NOW)

    def test_finds_our_signature_among_foreign_ones(self) -> None:
        headers = signed(KEY)
        headers["webhook-signature"] = f"v1a,xyz v1,AAAA {headers['webhook-signature']}  v2,x"
        verify([SECRET], headers, BODY, NOW)


class TestASecret:
    @RULE
    @given(keys)
    def test_reads_back_as_its_bytes(self, key: bytes) -> None:
        assert secret_key(secret_from_bytes(key)) == key

    @pytest.mark.parametrize(
        "secret",
        [
            "",
            "whsec_",
            SECRET.removeprefix("whsec_"),
            SECRET.replace("whsec_", "WHSEC_"),
            SECRET + "=",
            SECRET + "\n",
            SECRET.rstrip("="),
            SECRET.replace("whsec_", "whsec_ "),
            "whsec_" + base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode(),
            "whsec_" + "é" * 32,
            "whsec_\ud800",
            secret_from_bytes(b"x" * (MIN_SECRET_BYTES - 1)),
            secret_from_bytes(b"x" * (MAX_SECRET_BYTES + 1)),
        ],
        ids=ascii,
    )
    def test_that_is_none_is_refused(self, secret: str) -> None:
        with pytest.raises(InvalidSecret) as caught:
            secret_key(secret)
        assert secret.removeprefix("whsec_").strip() == "" or secret[6:] not in str(caught.value)

    @pytest.mark.parametrize("size", [MIN_SECRET_BYTES, MAX_SECRET_BYTES])
    def test_may_be_as_short_and_as_long_as_the_specification_says(self, size: int) -> None:
        assert secret_key(secret_from_bytes(b"x" * size)) == b"x" * size
