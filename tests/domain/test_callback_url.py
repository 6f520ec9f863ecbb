"""Which callback URLs are refused, and in what spelling the others are kept."""

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from yarl import URL

from app.domain.callback_url import CallbackUrlRules, InvalidCallbackUrl, check_callback_url
from tests.hostile.hosts import HOSTS
from tests.hostile.spellings import SPELLINGS

STRICT = CallbackUrlRules(allow_http=False, allow_private=False, ports=frozenset({443, 8443}))
DEVELOPMENT = CallbackUrlRules(allow_http=True, allow_private=True, ports=None)

HOSTILE = {family.name: family for family in SPELLINGS + HOSTS}
ROWS = [
    pytest.param(url, family.says, id=f"{family.name} {number}")
    for family in HOSTILE.values()
    for number, url in enumerate(family.urls)
]


@pytest.mark.parametrize(("url", "says"), ROWS)
def test_a_hostile_url_is_refused_with_a_reason(url: str, says: str) -> None:
    with pytest.raises(InvalidCallbackUrl) as refusal:
        check_callback_url(url, STRICT)
    message = str(refusal.value)
    assert message.startswith("callback_url ")
    assert message.endswith(".")
    assert says in message


def test_there_are_enough_hostile_urls() -> None:
    urls = {url for family in HOSTILE.values() for url in family.urls}
    assert len(urls) == len(ROWS) > 200


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://crm.example.com/hooks", None),
        ("https://crm.example.com", "https://crm.example.com/"),
        ("https://crm.example.com?", "https://crm.example.com/"),
        ("https://crm.example.com/?", "https://crm.example.com/"),
        ("https://crm.example.com?a=b", "https://crm.example.com/?a=b"),
        ("HTTPS://CRM.Example.COM/Hooks?Key=V", "https://crm.example.com/Hooks?Key=V"),
        ("https://crm.example.com:443/hooks", "https://crm.example.com/hooks"),
        ("https://crm.example.com:8443/hooks", None),
        ("https://93.184.215.14/", None),
        ("https://93.184.215.14:8443/", None),
        ("https://[2606:4700::1111]/", None),
        ("https://[2606:4700::1111]:8443/x", None),
        ("https://xn--bcher-kva.example/", None),
        ("https://XN--BCHER-KVA.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--p1ai.xn--p1ai/", None),
        ("https://r3---sn-4g5e6.example.com/", None),
        ("https://1.2.3.4.example.com/", None),
        ("https://0x7f.example.com/", None),
        ("https://127.0.0.1.nip.io/", None),
        ("https://localhost.example.com/", None),
        ("https://notlocal.example.mylocal/", None),
        (f"https://{'a' * 63}.example.com/", None),
        ("https://a.b/", None),
        ("https://crm.example.com/a%2Fb//c;d=e,f/~x/@me:1/!$&'()*+=", None),
        ("https://crm.example.com/...", None),
        ("https://crm.example.com/%7euser/%c3%a9", None),
        ("https://crm.example.com/?a=b&c[]=d&e={f|g}&u=https%3A%2F%2Fx%2F&q=?/:@", None),
        ("https://crm.example.com/?to=https://127.0.0.1/../", None),
        ("https://crm.example.com/" + "a" * 2024, None),
    ],
)
def test_a_good_url_is_kept_in_its_canonical_spelling(url: str, kept: str | None) -> None:
    assert check_callback_url(url, STRICT) == (kept or url)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:9000/hooks", None),
        ("http://localhost", "http://localhost/"),
        ("http://localhost:80/", "http://localhost/"),
        ("http://localhost:443/", None),
        ("https://[::1]:8443/", None),
        ("http://crm_web:3000/", None),
        ("http://redis.default.svc.cluster.local/", None),
        ("https://10.1.2.3/", None),
        ("http://host.docker.internal:1/", None),
        ("http://crm.example.com:65535/", None),
    ],
)
def test_development_may_call_itself(url: str, kept: str | None) -> None:
    assert check_callback_url(url, DEVELOPMENT) == (kept or url)


_STILL_REFUSED = (
    "user information",
    "backslash",
    "space and control characters",
    "fragment",
    "not ASCII",
    "percent sign in the host",
    "malformed address",
    "malformed IPv6 address",
    "unusual spelling of an address",
    "dot at the end",
    "punycode",
    "malformed port",
    "too long",
)


@pytest.mark.parametrize("url", [url for family in _STILL_REFUSED for url in HOSTILE[family].urls])
def test_development_is_no_laxer_about_spelling(url: str) -> None:
    with pytest.raises(InvalidCallbackUrl):
        check_callback_url(url, DEVELOPMENT)


def test_the_settings_are_told_apart() -> None:
    only_http = CallbackUrlRules(allow_http=True, allow_private=False, ports=frozenset({80, 443}))
    assert check_callback_url("http://crm.example.com:80/", only_http) == "http://crm.example.com/"
    with pytest.raises(InvalidCallbackUrl, match="public host name"):
        check_callback_url("http://localhost/", only_http)
    with pytest.raises(InvalidCallbackUrl, match="port 80: allowed are 443, 8443"):
        check_callback_url("http://crm.example.com/", CallbackUrlRules(True, False, STRICT.ports))
    with pytest.raises(InvalidCallbackUrl, match="start with https, not http"):
        check_callback_url("http://localhost/", CallbackUrlRules(False, True, None))
    with pytest.raises(InvalidCallbackUrl, match="port 443: allowed are 8443"):
        check_callback_url("https://crm.example.com/", CallbackUrlRules(False, False, frozenset({8443})))


_SOUP = st.text(alphabet="htps:/\\@?#[]%.-_0123456789xabcdefAZ \uff11。é\t\n<>|&=;+~", max_size=60)
_PIECES = st.lists(
    st.sampled_from(
        [*"/:?#@.-_&A\\", "https://", "crm", "example", "com", "127.0.0.1", "0x7f", "[::1]", "[2606:4700::1111]", "443",
         "8443", "//", "..", "%2e", "%2F", "xn--", "bcher-kva", "a=b", "[]"]
    ),
    max_size=14,
).map("".join)  # fmt: skip
_GOOD = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["https", "HTTPS", "http"]),
    st.one_of(
        st.from_regex(r"[a-zA-Z0-9]([a-z0-9-]{0,9}[a-z0-9])?(\.[a-z][a-z0-9]{0,9}){0,3}", fullmatch=True),
        st.ip_addresses(v=4).map(str),
        st.ip_addresses(v=6).map("[{}]".format),
    ),
    st.sampled_from(["", ":443", ":80", ":8443", ":1", ":65535"]),
    st.from_regex(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){0,8}){0,4}", fullmatch=True),
    st.from_regex(r"(\?([A-Za-z0-9._~!$&'()*+,;=:@/?\[\]{}|-]|%[0-9A-Fa-f]{2}){0,12})?", fullmatch=True),
)


def _kept(text: str, rules: CallbackUrlRules) -> str | None:
    try:
        return check_callback_url(text, rules)
    except InvalidCallbackUrl:
        return None


@given(st.one_of(_GOOD, _PIECES, _PIECES.map("https://".__add__), _SOUP.map("https://".__add__)))
@example("https://[2606:4700::1111]:8443/a%2Fb?c=%7e")
@example("https://crm.example.com:443?a")
def test_every_parser_reads_the_same_out_of_what_is_accepted(text: str) -> None:
    kept = _kept(text, DEVELOPMENT)
    assume(kept is not None)
    assert kept is not None
    split, parsed, dialled = urlsplit(kept), httpx.URL(kept), URL(kept, encoded=True)
    default = {"https": 443, "http": 80}[split.scheme]
    port = split.port or default
    assert (parsed.host, parsed.port or default, parsed.scheme) == (split.hostname, port, split.scheme)
    assert (dialled.raw_host, dialled.port, dialled.scheme) == (split.hostname, port, split.scheme)
    assert str(parsed) == str(dialled) == split.geturl() == kept
    assert (split.username, split.password, split.fragment) == (None, None, "")
    assert _kept(kept, DEVELOPMENT) == kept


@given(_GOOD)
def test_what_is_good_is_accepted_unless_a_dot_segment_or_a_numeric_end_says_no(text: str) -> None:
    path_and_host = urlsplit(text.lower())
    segments = path_and_host.path.replace("%2e", ".").split("/")
    last = (path_and_host.hostname or "").rsplit(".", 1)[-1]
    assume("." not in segments and ".." not in segments)
    assume("xn--" not in path_and_host.netloc and not (last.isdigit() or last.startswith("0x")))
    assert _kept(text, DEVELOPMENT) is not None


@given(st.text(max_size=80))
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    for url in (text, f"https://{text}", f"https://crm.example.com{text}"):
        assert (_kept(url, STRICT) or "https://").startswith("https://")
        assert (_kept(url, DEVELOPMENT) or "http").startswith("http")
