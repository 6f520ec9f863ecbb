"""What the settings know of addresses: which passwords stand in them."""

import pytest

from app.addresses import passwords_in
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY, MakeSettings


@pytest.mark.parametrize(
    ("url", "passwords"),
    [
        ("", set()),
        ("redis://127.0.0.1:6379/0", set()),
        ("redis://user@redis:6379/0", {""}),
        ("redis://:hunter2@redis:6379/0", {"hunter2"}),
        ("rediss://user:a%40b@redis:6379/0", {"a%40b", "a@b"}),
        ("redis+sentinel://u:first@a,b/main?sentinel_password=second", {"first", "second"}),
        ("http://user:pass@proxy:3128", {"pass"}),
    ],
)
def test_passwords_are_found_as_they_are_written_and_as_they_are_meant(url: str, passwords: set[str]) -> None:
    assert set(passwords_in(url)) == passwords


def test_the_settings_name_all_their_secrets(make_settings: MakeSettings) -> None:
    settings = make_settings(
        redis_url="redis://:of-the-ledger@127.0.0.1:6379/0",
        queue_redis_url="redis://:of-the-queue@127.0.0.1:6379/0",
        egress_proxy_url="http://user:of-the-proxy@proxy:3128",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://user:of-the-collector@collector:4318",
    )
    named = {"of-the-ledger", "of-the-queue", "of-the-proxy", "of-the-collector"}
    assert set(settings.secrets) == named | {ADMIN_KEY, ENCRYPTION_KEY}
    assert not any(secret in repr(settings) for secret in settings.secrets)
