"""Impossible settings are refused at boot, in one line that names the setting."""

import base64

import pytest

from app.settings import PREFIX, load_settings

KEY = base64.urlsafe_b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "http://127.0.0.1"),
        ("REDIS_URL", "redis://127.0.0.1:99999/0"),
        ("REDIS_URL", "redis://127.0.0.1:6379/abc"),
        ("REDIS_URL", ""),
        ("REDIS_URL", "redis+sentinel://127.0.0.1"),
        ("REDIS_URL", "rediss://127.0.0.1?ssl_ca_certs=/there/is/no/such/file.pem"),
        ("QUEUE_REDIS_URL", "redis://127.0.0.1:port/0"),
        ("QUEUE_REDIS_URL", "redis+cluster://127.0.0.1"),
        ("UPSTREAM_BASE_URL", "api.example.com"),
        ("UPSTREAM_BASE_URL", "https://api.example.com:99999"),
        ("UPSTREAM_BASE_URL", "https://user:password@api.example.com"),
        ("UPSTREAM_BASE_URL", "https://api.example.com/?a=b"),
        ("UPSTREAM_BASE_URL", "https://api.example.com/\r\nx: y"),
        ("UPSTREAM_MAX_RPS", "inf"),
        ("UPSTREAM_MAX_RPS", "nan"),
        ("UPSTREAM_MAX_RPS", "-1"),
        ("UPSTREAM_MAX_RPS", "1e-9"),
        ("ADMIN_KEY", " "),
        ("ADMIN_KEY", "key\n"),
        ("ADMIN_KEY", "a\tkey"),
        ("ENCRYPTION_KEYS", "too-short"),
        ("ENCRYPTION_KEYS", f"{KEY},äöü"),
        ("CALLBACK_PORTS", "443,70000"),
        ("CALLBACK_PORTS", "https"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "console.example.com"),
        ("CORS_ORIGINS", "https://console.example.com/"),
        ("CORS_ORIGINS", "https://console.example.com:443"),
        ("CORS_ORIGINS", "http://console.example.com:80"),
        ("CORS_ORIGINS", "https://Console.example.com"),
        ("CORS_ORIGINS", "https://*.example.com"),
        ("CORS_ORIGINS", "https://a.example.com,ftp://b.example.com"),
        ("CORS_ORIGINS", "https://user@console.example.com"),
        ("CALLBACK_TRUST_ROOTS", "/there/is/no/such/file.pem"),
        ("CALLBACK_TRUST_ROOTS", __file__),
        ("EGRESS_PROXY_URL", "proxy:3128"),
        ("EGRESS_PROXY_URL", "socks5://proxy:1080"),
        ("EGRESS_PROXY_URL", "http://proxy:70000"),
        ("EGRESS_PROXY_URL", "http://proxy:0"),
        ("EGRESS_PROXY_URL", "http://proxy/path"),
        ("EGRESS_PROXY_URL", "http://proxy?a=b"),
        ("EGRESS_PROXY_URL", "http://"),
        ("EGRESS_PROXY_URL", "http://[::::]:3128"),
        ("EGRESS_PROXY_URL", "http://user:pass word@proxy:3128"),
        ("EGRESS_PROXY_URL", "http://user:s3cr%E9t@proxy:3128"),
        ("EGRESS_PROXY_URL", "http://us%3Aer:word@proxy:3128"),
        ("EGRESS_PROXY_URL", "http://user:s3cret@proxy@other:3128"),
        ("DELIVERY_RETRY_SECONDS", "1,x"),
        ("DELIVERY_RETRY_SECONDS", ","),
        ("POLL_EARLY_SECONDS", "0"),
        ("POLL_EARLY_SECONDS", "inf"),
        ("POLL_EARLY_MAX_SECONDS", "1"),
        ("PARTITIONS", "1025"),
        ("LOG_LEVEL", "LOUD"),
        ("WORKER_PORT", "70000"),
    ],
)
def test_an_impossible_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"{PREFIX}ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(SystemExit) as end:
        load_settings("tools")
    line = str(end.value)
    assert f"{PREFIX}{name}" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://proxy:3128",
        "https://proxy.example.com",
        "http://[::1]:3128",
        "http://127.0.0.1:3128",
        "http://us%40er:p%2Fw@proxy:3128",
        "http://token@proxy:3128",
        "http://user:@proxy:3128",
    ],
)
def test_addresses_of_a_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(f"{PREFIX}ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv(f"{PREFIX}EGRESS_PROXY_URL", url)
    assert load_settings("tools").egress_proxy_url == url


def test_the_password_of_a_proxy_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv(f"{PREFIX}EGRESS_PROXY_URL", "http://user:s3cret@proxy:3128")
    assert "s3cret" not in repr(load_settings("tools"))
    monkeypatch.setenv(f"{PREFIX}EGRESS_PROXY_URL", "http://user:s3cret@proxy:3128/path")
    with pytest.raises(SystemExit) as end:
        load_settings("tools")
    assert "s3cret" not in str(end.value)


@pytest.mark.parametrize(
    "url",
    ["redis://127.0.0.1", "redis://:secret@redis:6380/2", "rediss://r:1", "unix:///r.sock", "redis+sentinel://a,b/m"],
)
def test_addresses_of_redis(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(f"{PREFIX}ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv(f"{PREFIX}REDIS_URL", url)
    assert load_settings("tools").queue_url == url


def test_a_cluster_needs_another_redis_for_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv(f"{PREFIX}REDIS_URL", "redis+cluster://:s3cret@a,b")
    with pytest.raises(SystemExit, match=f"^ringback: {PREFIX}QUEUE_REDIS_URL is missing: .*cannot be sharded") as end:
        load_settings("tools")
    assert "s3cret" not in str(end.value)

    monkeypatch.setenv(f"{PREFIX}QUEUE_REDIS_URL", "redis://c")
    assert load_settings("tools").queue_url == "redis://c"


def test_a_default_maximum_below_a_chosen_minimum_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv(f"{PREFIX}POLL_EARLY_SECONDS", "20")
    assert load_settings("tools").poll_early_seconds == 20
