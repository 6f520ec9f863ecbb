"""The URLs of Redis: each form is read as it is meant, and anything else is refused in words that give nothing away."""

from pathlib import Path

import pytest

from app.redis.urls import ClusterRedis, Node, OneRedis, SentinelRedis, parse_redis_url

PLAIN = {"db": 0}
TLS = {"ssl_check_hostname": True}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", OneRedis(Node("localhost", 6379), False, PLAIN)),
        ("redis://127.0.0.1", OneRedis(Node("127.0.0.1", 6379), False, PLAIN)),
        ("redis://r:6380/3", OneRedis(Node("r", 6380), False, {"db": 3})),
        ("redis://r/1?db=2", OneRedis(Node("r", 6379), False, {"db": 2})),
        ("redis://[::1]:6380", OneRedis(Node("::1", 6380), False, PLAIN)),
        ("redis://:s%40cret@r", OneRedis(Node("r", 6379), False, {**PLAIN, "password": "s@cret"})),
        ("redis://u:p:q@r", OneRedis(Node("r", 6379), False, {**PLAIN, "username": "u", "password": "p:q"})),
        ("rediss://r:1", OneRedis(Node("r", 1), True, {**PLAIN, **TLS})),
        ("rediss://r?ssl_check_hostname=no", OneRedis(Node("r", 6379), True, {**PLAIN, "ssl_check_hostname": False})),
        (
            "rediss://r?ssl_cert_reqs=none",
            OneRedis(Node("r", 6379), True, {**PLAIN, "ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ),
        ("redis://r?socket_timeout=1.5", OneRedis(Node("r", 6379), False, {**PLAIN, "socket_timeout": 1.5})),
        ("unix:///run/r.sock", OneRedis("/run/r.sock", False, {})),
        ("unix://u:p@/run/r.sock?db=2", OneRedis("/run/r.sock", False, {"username": "u", "password": "p", "db": 2})),
        ("redis+cluster://a,b:2", ClusterRedis((Node("a", 6379), Node("b", 2)), False, {})),
        ("redis+cluster://u:p@a/0", ClusterRedis((Node("a", 6379),), False, {"username": "u", "password": "p"})),
        ("rediss+cluster://a:1,[::1]:2", ClusterRedis((Node("a", 1), Node("::1", 2)), True, TLS)),
        (
            "redis+sentinel://u:p@a,b:2/mymaster",
            SentinelRedis(
                (Node("a", 26379), Node("b", 2)),
                "mymaster",
                False,
                {**PLAIN, "username": "u", "password": "p"},
                {},
            ),
        ),
        (
            "rediss+sentinel://a/m/3?sentinel_username=s&sentinel_password=t",
            SentinelRedis((Node("a", 26379),), "m", True, {"db": 3, **TLS}, {"username": "s", "password": "t", **TLS}),
        ),
    ],
)
def test_what_a_url_says(url: str, address: OneRedis | SentinelRedis | ClusterRedis) -> None:
    assert parse_redis_url(url) == address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "redis://"),
        ("r:6379", "redis://"),
        ("http://r", r"redis\+cluster://"),
        ("redis+proxy://r", "redis://"),
        ("redis://r#part", "redis://"),
        ("redis://:sec/ret@r", "by a number"),
        ("redis://r/abc", "number"),
        ("redis://r:0", "1 to 65535"),
        ("redis://r:99999", "1 to 65535"),
        ("redis://r:port", "host:6379"),
        ("redis://a,b", "several hosts"),
        ("redis://r?unknown=1", "none of db,"),
        ("redis://r?socket_timeout=soon", "socket_timeout that is not a number of seconds"),
        ("redis://r?max_connections=0", "max_connections"),
        ("redis://r?health_check_interval=-1", "whole number"),
        ("redis://r?socket_keepalive=perhaps", "yes or no"),
        ("redis://r?client_name=", "client_name"),
        ("redis://r?ssl_cert_reqs=none", "rediss://"),
        ("redis://r?sentinel_password=s3cret", r"redis\+sentinel://"),
        ("rediss://r?ssl_cert_reqs=maybe", "none, optional or required"),
        ("rediss://r?ssl_ca_certs=/no/such/file", "file that can be read"),
        ("unix://run/r.sock", "whole path"),
        ("unix:///", "whole path"),
        ("redis+cluster://", "host:6379"),
        ("redis+cluster://a,,b", "commas"),
        ("redis+cluster://a/1", "one only"),
        ("redis+cluster://a?db=1", "one only"),
        ("redis+sentinel://a", "names the service"),
        ("redis+sentinel://a/m/x", "names the service"),
    ],
)
def test_a_malformed_one_is_told_what_is_expected(url: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_redis_url(url)


@pytest.mark.parametrize("url", ["redis://:s3c?ret@r", "redis://u:s3cret@r:0", "redis+sentinel://:s3cret@a,b"])
def test_a_refusal_tells_no_password(url: str) -> None:
    with pytest.raises(ValueError, match=" ") as refusal:
        parse_redis_url(url)
    assert "s3c" not in str(refusal.value)
    assert "ret" not in str(refusal.value)


def test_nor_does_what_was_read() -> None:
    address = parse_redis_url("redis+sentinel://u:s3cret@a/m?sentinel_password=s3cret2")
    assert "s3cret" not in repr(address)


def test_a_file_that_is_there_is_taken(tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.touch()
    address = parse_redis_url(f"rediss+cluster://a?ssl_ca_certs={roots}")
    assert address.options["ssl_ca_certs"] == str(roots)
