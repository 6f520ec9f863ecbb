"""The syntax of a callback URL: what is accepted, and the one spelling in which it is kept.

The check is a grammar of its own, narrower than any parser's, rather than a question to one parser: what
matters is that every parser on the way reads the same host and port out of the same text. Where RFC 3986 and
the WHATWG URL standard differ, or where common parsers are known to, the URL is refused with a sentence that
says what to write instead. Kept is the canonical spelling: scheme and host in lower case, no default
port, "/" for an empty path, no bare "?"; otherwise path and query are kept byte for byte.

Here only the text is judged. Where a name leads is judged when it is dialled (app/outbound/egress.py).
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from app.domain.errors import RingbackError
from app.domain.public_address import is_public

MAX_LENGTH = 2048
# RFC 1035, section 2.3.4, without the root's dot.
MAX_HOST_LENGTH = 253
MAX_PORT = 65535

# At most two kilobytes each.
_MOST_REMEMBERED = 1024
_DEFAULT_PORTS = {"https": 443, "http": 80}
# Names that lead nowhere or into a network: RFC 6761, RFC 6762, ICANN's private-use domain, Kubernetes
# services, RFC 8375.
_INTERNAL_SUFFIXES = ("localhost", "local", "internal", "svc", "home.arpa")

_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<path>[^?]*)(?P<query>\?.*)?", re.IGNORECASE
)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Where names are looked up in a private network, an underscore is usual (Docker Compose); on the public
# internet it is no host name (RFC 1123), and Java's URI finds no host in such a URL.
_PRIVATE_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# WHATWG, "ends in a number": such a host is an IPv4 address or nothing.
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
# RFC 3986 `pchar` and "/".
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?")
# RFC 3986, and what WHATWG lets stand in a query and form libraries send, `filter[name]=…`.
_QUERY = re.compile(r"\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]{}|-]|%[0-9A-Fa-f]{2})*")
_DOT_SEGMENT = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)


class InvalidCallbackUrl(RingbackError):
    """A callback URL that is refused; the message tells the API's user why and what to do."""


@dataclass(frozen=True, slots=True)
class CallbackUrlRules:
    """What an installation allows: `ports` None is any; `allow_private` also lets internal names through."""

    allow_http: bool
    allow_private: bool
    ports: frozenset[int] | None


# A tenant has nearly all calls told to one URL. Only what is accepted is remembered.
@lru_cache(_MOST_REMEMBERED)
def check_callback_url(text: str, rules: CallbackUrlRules) -> str:
    """Return the canonical spelling of a callback URL; raises InvalidCallbackUrl."""
    _check_characters(text)
    parts = _URL.fullmatch(text)
    if parts is None:
        raise InvalidCallbackUrl("callback_url must be an absolute URL such as https://crm.example.com/hooks.")
    scheme = _check_scheme(parts["scheme"], rules)
    host, port_text = _split_authority(parts["authority"])
    host = _check_address(host, rules) if _is_address(host) else _check_name(host, rules)
    port = _check_port(port_text, scheme, rules)
    _check_path(parts["path"])
    query = _check_query(parts["query"] or "")
    authority = host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
    return f"{scheme}://{authority}{parts['path'] or '/'}{query}"


def _check_characters(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise InvalidCallbackUrl(f"callback_url is longer than {MAX_LENGTH:,} characters.")
    if not text.isascii():
        raise InvalidCallbackUrl(
            "callback_url must be ASCII: write an international host name in its xn-- form "
            "and percent-encode the path and query.",
        )
    if any(character <= " " or character == "\x7f" for character in text):
        raise InvalidCallbackUrl("callback_url must not contain spaces or control characters.")
    if "\\" in text:
        raise InvalidCallbackUrl("callback_url must not contain a backslash: use '/'.")
    if "#" in text:
        raise InvalidCallbackUrl("callback_url must not have a fragment: remove '#' and what follows.")


def _check_scheme(text: str, rules: CallbackUrlRules) -> str:
    scheme = text.lower()
    if scheme == "https" or (scheme == "http" and rules.allow_http):
        return scheme
    allowed = "https or http" if rules.allow_http else "https"
    raise InvalidCallbackUrl(f"callback_url must start with {allowed}, not {scheme}.")


def _split_authority(authority: str) -> tuple[str, str | None]:
    """Host, in lower case and with its brackets, and port as written, None where there is no colon."""
    if "@" in authority:
        raise InvalidCallbackUrl(
            "callback_url must not contain a user name or password: send credentials as extra headers instead.",
        )
    if "%" in authority:
        raise InvalidCallbackUrl("callback_url must not contain a percent sign in its host.")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise InvalidCallbackUrl(
            "callback_url has a malformed host: an IPv6 address stands in brackets, a port after one colon.",
        )
    if not parts["host"]:
        raise InvalidCallbackUrl("callback_url has no host: write it as in https://crm.example.com/hooks.")
    return parts["host"].lower(), parts["port"]


def _is_address(host: str) -> bool:
    """Whether the host is an address, or something that some resolver takes for one, such as `127.1`."""
    return host.startswith("[") or _NUMERIC_LABEL.fullmatch(host.rsplit(".", 1)[-1]) is not None


def _check_address(host: str, rules: CallbackUrlRules) -> str:
    try:
        address = IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host)
    except AddressValueError:
        raise InvalidCallbackUrl(
            "callback_url has a malformed address as its host: write it as in 93.184.215.14 or [2606:4700::1111].",
        ) from None
    canonical = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    if host != canonical:
        raise InvalidCallbackUrl(f"callback_url has an address in an unusual spelling: write {canonical}.")
    if not rules.allow_private and not is_public(address):
        raise InvalidCallbackUrl("callback_url must not have a private or reserved address as its host.")
    return host


def _check_name(host: str, rules: CallbackUrlRules) -> str:
    if len(host) > MAX_HOST_LENGTH:
        raise InvalidCallbackUrl(f"callback_url has a host name longer than {MAX_HOST_LENGTH} characters.")
    if host.endswith("."):
        raise InvalidCallbackUrl("callback_url must not have a dot at the end of its host name.")
    labels = host.split(".")
    allowed = _PRIVATE_LABEL if rules.allow_private else _LABEL
    if not all(allowed.fullmatch(label) for label in labels):
        raise InvalidCallbackUrl(
            "callback_url has a malformed host name: its parts are 1 to 63 letters, digits and inner hyphens.",
        )
    if not all(_is_punycode(label) for label in labels if label.startswith("xn--")):
        raise InvalidCallbackUrl("callback_url has a host name with a malformed xn-- part.")
    if not rules.allow_private:
        _check_reachable(host)
    return host


def _is_punycode(label: str) -> bool:
    """Whether an `xn--` label stands for one international label, and that in normal form (RFC 5891, 4.2)."""
    encoded = label.removeprefix("xn--")
    try:
        decoded = encoded.encode().decode("punycode")
        round_trip = decoded.encode("punycode").decode()
    except (UnicodeError, OverflowError):
        return False
    normal = unicodedata.normalize("NFKC", decoded.lower()) == decoded
    return normal and decoded.isprintable() and not decoded.isascii() and round_trip == encoded


def _check_reachable(host: str) -> None:
    if any(host == suffix or host.endswith(f".{suffix}") for suffix in _INTERNAL_SUFFIXES):
        raise InvalidCallbackUrl("callback_url must have a public host name, not one of an internal network.")
    if "." not in host:
        raise InvalidCallbackUrl("callback_url must have a full host name, such as crm.example.com.")


def _check_port(text: str | None, scheme: str, rules: CallbackUrlRules) -> int:
    if text is None:
        port = _DEFAULT_PORTS[scheme]
    elif _PORT.fullmatch(text) and int(text) <= MAX_PORT:
        port = int(text)
    else:
        raise InvalidCallbackUrl(
            f"callback_url has a malformed port: write a number from 1 to {MAX_PORT}, or leave out the colon.",
        )
    if rules.ports is not None and port not in rules.ports:
        allowed = ", ".join(str(number) for number in sorted(rules.ports))
        raise InvalidCallbackUrl(f"callback_url must not use port {port}: allowed are {allowed}.")
    return port


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path):
        raise InvalidCallbackUrl("callback_url has a character in its path that must be percent-encoded.")
    if any(_DOT_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        raise InvalidCallbackUrl("callback_url must not contain the path segments '.' and '..': write the final path.")


def _check_query(query: str) -> str:
    if query and not _QUERY.fullmatch(query):
        raise InvalidCallbackUrl("callback_url has a character in its query that must be percent-encoded.")
    return "" if query == "?" else query
