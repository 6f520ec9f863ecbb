"""What the URL of a Redis says: one server, a master that Sentinel names, or a cluster.

    redis://user:password@host:6379/0                    one server; rediss:// with TLS
    unix:///run/redis.sock?db=0                          one server, over a socket of this machine
    redis+sentinel://user:password@host,host/service/0   the master of a service; the hosts are sentinels
    redis+cluster://user:password@host,host              a cluster; the hosts are some of its nodes

Options follow as a query, under the names that redis-py has for them. Nothing here connects to anything.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

_URL = re.compile(
    r"(?P<scheme>(?:redis|rediss)(?:\+(?:sentinel|cluster))?|unix)://"
    r"(?:(?P<credentials>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_SERVICE = re.compile(r"/(?P<service>[A-Za-z0-9._-]+)(?:/(?P<database>[0-9]*))?/?")
_DATABASE = re.compile(r"/?(?P<database>[0-9]*)/?")

REDIS_PORT = 6379
SENTINEL_PORT = 26379
_MAX_PORT = 65535
_SENTINEL_PREFIX = "sentinel_"

_FORMS = "redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// address (the last two also with rediss)"


@dataclass(frozen=True, slots=True)
class Node:
    """Where something listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class OneRedis:
    """One server, at an address or at the path of a socket; `options` are redis-py's, credentials among them."""

    at: Node | str
    tls: bool
    options: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SentinelRedis:
    """The master of a service; `options` are for the servers, `sentinel_options` for the sentinels."""

    sentinels: tuple[Node, ...]
    service: str
    tls: bool
    options: Mapping[str, Any] = field(repr=False)
    sentinel_options: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClusterRedis:
    """A cluster, and the nodes of it that are asked first."""

    nodes: tuple[Node, ...]
    tls: bool
    options: Mapping[str, Any] = field(repr=False)


RedisAddress = OneRedis | SentinelRedis | ClusterRedis


def parse_redis_url(url: str) -> RedisAddress:
    """Read a URL; raises ValueError, whose message says what is expected and tells nothing of the URL."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError(f"is a {_FORMS}; what else a name or a password holds is percent-encoded")
    scheme, _, kind = found["scheme"].partition("+")
    tls, path = scheme == "rediss", found["path"] or ""
    options = {**_tls_defaults(tls), **_credentials(found["credentials"] or ""), **_options(found["query"] or "", tls)}
    if kind == "cluster":
        return _cluster(found["hosts"], path, tls, options)
    if kind == "sentinel":
        return _sentinel(found["hosts"], path, tls, options)
    _refuse_sentinel_options(options)
    if scheme == "unix":
        if found["hosts"] or not path.strip("/"):
            raise ValueError("names a socket by its whole path, as in unix:///run/redis.sock")
        return OneRedis(unquote(path), tls, options)
    database = _DATABASE.fullmatch(path)
    if database is None:
        raise ValueError("names its database by a number, as in redis://127.0.0.1:6379/0")
    (at, *others) = _nodes(found["hosts"] or "localhost", REDIS_PORT)
    if others:
        raise ValueError("names several hosts: that is redis+sentinel://host,host/service or redis+cluster://host,host")
    return OneRedis(at, tls, _with_database(database["database"], options))


def _cluster(hosts: str, path: str, tls: bool, options: dict[str, Any]) -> ClusterRedis:
    _refuse_sentinel_options(options)
    if path.strip("/0") or options.get("db"):
        raise ValueError("names a database, but a cluster has one only: redis+cluster://host:6379,host:6379")
    return ClusterRedis(_nodes(hosts, REDIS_PORT), tls, {name: one for name, one in options.items() if name != "db"})


def _sentinel(hosts: str, path: str, tls: bool, options: dict[str, Any]) -> SentinelRedis:
    found = _SERVICE.fullmatch(path)
    if found is None:
        raise ValueError(
            "names the service behind the sentinels, as in redis+sentinel://host:26379,host:26379/mymaster/0"
        )
    for_sentinels = {name: one for name, one in options.items() if name.startswith(("ssl_", "socket_"))}
    for name in [name for name in options if name.startswith(_SENTINEL_PREFIX)]:
        for_sentinels[name.removeprefix(_SENTINEL_PREFIX)] = options.pop(name)
    database = found["database"] or ""
    return SentinelRedis(
        _nodes(hosts, SENTINEL_PORT), found["service"], tls, _with_database(database, options), for_sentinels
    )


def _refuse_sentinel_options(options: Mapping[str, Any]) -> None:
    if any(name.startswith(_SENTINEL_PREFIX) for name in options):
        raise ValueError("has credentials for sentinels, which only redis+sentinel:// knows")


def _nodes(hosts: str, default_port: int) -> tuple[Node, ...]:
    nodes = []
    for written in hosts.split(","):
        found = _HOST.fullmatch(written)
        if found is None:
            raise ValueError("names its hosts as in host:6379 or [::1]:6379, several separated by commas")
        port = int(found["port"] or default_port)
        if not 0 < port <= _MAX_PORT:
            raise ValueError(f"has a port that is not a number from 1 to {_MAX_PORT}")
        nodes.append(Node(found["host"].strip("[]"), port))
    return tuple(nodes)


def _credentials(written: str) -> dict[str, Any]:
    name, _, password = (unquote(part) for part in written.partition(":"))
    return {key: value for key, value in (("username", name), ("password", password)) if value}


def _with_database(written: str, options: Mapping[str, Any]) -> dict[str, Any]:
    # As redis-py has it: one in the query counts more than one in the path.
    return {"db": int(written or 0), **options}


def _tls_defaults(tls: bool) -> dict[str, Any]:
    # redis-py 5 would take the certificate of any name, as long as a known authority has signed it.
    return {"ssl_check_hostname": True} if tls else {}


def _options(query: str, tls: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise ValueError(f"has an option that is none of {', '.join(_OPTIONS)}")
        try:
            options[name] = _OPTIONS[name](value)
        except ValueError as error:
            raise ValueError(f"has an option {name} that is not {error}") from None
    if not tls and any(name.startswith("ssl_") for name in options):
        raise ValueError("has options for TLS, which need rediss:// in place of redis://")
    if options.get("ssl_cert_reqs") == "none":
        # Nothing is checked: OpenSSL would refuse to check the name alone.
        options["ssl_check_hostname"] = False
    return options


def _text(value: str) -> str:
    if not value:
        raise ValueError("a text")
    return value


def _file(value: str) -> str:
    if not os.access(value, os.R_OK):
        raise ValueError("a file that can be read")
    return value


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError("a number of seconds")
    return seconds


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ValueError("a whole number")
    return int(value)


def _connections(value: str) -> int:
    if not (count := _count(value)):
        raise ValueError("a number of connections")
    return count


def _yes(value: str) -> bool:
    answers = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if value.lower() not in answers:
        raise ValueError("yes or no")
    return answers[value.lower()]


def _demand(value: str) -> str:
    if value not in ("none", "optional", "required"):
        raise ValueError("none, optional or required")
    return value


_OPTIONS: dict[str, Callable[[str], Any]] = {
    "db": _count,
    "username": _text,
    "password": _text,
    "client_name": _text,
    "max_connections": _connections,
    "socket_timeout": _seconds,
    "socket_connect_timeout": _seconds,
    "socket_keepalive": _yes,
    "health_check_interval": _count,
    "sentinel_username": _text,
    "sentinel_password": _text,
    "ssl_ca_certs": _file,
    "ssl_certfile": _file,
    "ssl_keyfile": _file,
    "ssl_cert_reqs": _demand,
    "ssl_check_hostname": _yes,
    "ssl_ciphers": _text,
}
