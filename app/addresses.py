"""What addresses in the settings may look like: a check returns the address, or raises ValueError that says why not."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import IPv6Address
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

MAX_PORT = 65535
# Narrow enough that every parser reads the same out of it. What else a user name or password holds is
# percent-encoded; it is ASCII, and the name without a colon, as Basic authentication wants it.
_PLAIN = r"[A-Za-z0-9._~!$&*+=-]"
_PROXY = re.compile(
    rf"https?://(?:(?:{_PLAIN}|%(?!3[Aa])[2-7][0-9A-Fa-f])+(?::(?:{_PLAIN}|%[2-7][0-9A-Fa-f])*)?@)?"
    r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?/?"
)
# As a browser writes it: in lower case, without a default port and without a slash at the end.
_ORIGIN = re.compile(
    r"(?:https://(?!.*:443$)|http://(?!.*:80$))(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?"
)
_CREDENTIALS = re.compile(r"[^/]*://([^/?#]*)@")
_TRACING_PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def check_upstream(url: str) -> str:
    if not url.isprintable():
        raise ValueError("holds a character that no address has, such as a line break")
    parts = _split_url(url)
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or not plain):
        raise ValueError("is an http or https address such as https://api.example.com")
    return url.rstrip("/")


def check_proxy(url: str) -> str:
    parts = _PROXY.fullmatch(url)
    if url and not parts:
        raise ValueError("is an http or https address without a path, such as http://user:password@proxy:3128")
    _split_url(url)
    if parts and parts["host"].startswith("["):
        IPv6Address(parts["host"][1:-1])
    return url.rstrip("/")


def check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("is a comma-separated list of origins as browsers write them: https://console.example.com")
    return origins


def check_collector(url: str) -> str:
    parts = _split_url(url)
    plain = url.isprintable() and " " not in url and not (parts.query or parts.fragment)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or not plain):
        raise ValueError("is an http or https address such as http://collector:4318")
    return url.rstrip("/")


def can_trace() -> bool:
    """Whether the packages that send traces are installed; imports none of them."""
    return all(map(_installed, _TRACING_PACKAGES))


def passwords_in(url: str) -> Iterator[str]:
    """Every password in an address, as it is written there and as it is meant."""
    found = _CREDENTIALS.match(url)
    written = [found[1].partition(":")[2]] if found else []
    named = [value for name, value in parse_qsl(url.partition("?")[2]) if name.endswith("password")]
    for password in (*written, *named):
        yield password
        yield unquote(password)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _split_url(url: str) -> SplitResult:
    """Split a URL; raises ValueError, also for a port that cannot be one."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"has a port that is not a number from 1 to {MAX_PORT}")
    return parts
