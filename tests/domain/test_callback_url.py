"""Which callback URLs are refused, and in what spelling the others are kept.

Each family of hostile URLs names where it comes from.
"""

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from yarl import URL

from app.domain.callback_url import CallbackUrlRules, InvalidCallbackUrl, check_callback_url

STRICT = CallbackUrlRules(allow_http=False, allow_private=False, ports=frozenset({443, 8443}))
DEVELOPMENT = CallbackUrlRules(allow_http=True, allow_private=True, ports=None)

# family: (what the message says, the URLs)
HOSTILE: dict[str, tuple[str, list[str]]] = {
    # RFC 3986, 4.3: an absolute URI has a scheme; contract: https only.
    "scheme": (
        "must start with https",
        [
            "http://crm.example.com/hooks",
            "HTTP://crm.example.com/hooks",
            "ftp://crm.example.com/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:6379/_FLUSHALL",
            "ws://crm.example.com/",
            "httpss://crm.example.com/",
            "view-source://crm.example.com/",
            "https+unix://crm.example.com/",
        ],
    ),
    # WHATWG URL, "special authority slashes state": browsers repair these, libraries do not.
    "not absolute": (
        "absolute URL",
        [
            "",
            "/hooks",
            "//crm.example.com/hooks",
            "crm.example.com/hooks",
            "crm.example.com:443/hooks",
            "https",
            "https:",
            "https:/",
            "https:crm.example.com",
            "https:/crm.example.com",
            "://crm.example.com",
            ":https://crm.example.com",
            "1https://crm.example.com",
            "javascript:alert(1)",
            "data:text/plain,x",
            "mailto:ops@example.com",
        ],
    ),
    # WHATWG URL and RFC 3986 differ on an empty authority: `https:///x` is host x for a browser.
    "no host": (
        "has no host",
        [
            "https://",
            "https:///",
            "https:///crm.example.com/hooks",
            "https:////crm.example.com/hooks",
            "https://?x=1",
            "https://:443/",
            "https://:8443",
        ],
    ),
    # Orange Tsai, "A New Era of SSRF" (2017): user information misleads readers and parsers about the host.
    "user information": (
        "user name or password",
        [
            "https://user@crm.example.com/",
            "https://user:secret@crm.example.com/",
            "https://@crm.example.com/",
            "https://:@crm.example.com/",
            "https://crm.example.com@127.0.0.1/",
            "https://crm.example.com:443@127.0.0.1/",
            "https://127.0.0.1:80@crm.example.com/",
            "https://a@b@crm.example.com/",
            "https://user%40crm.example.com@127.0.0.1/",
            "https://crm.example.com&@127.0.0.1/",
        ],
    ),
    # WHATWG URL reads "\" as "/" in special schemes, RFC 3986 does not; SonarSource and Snyk, URL confusion (2022).
    "backslash": (
        "backslash",
        [
            "https:\\\\crm.example.com/",
            "https://crm.example.com\\@127.0.0.1/",
            "https://127.0.0.1\\.crm.example.com/",
            "https://crm.example.com/hooks\\..\\admin",
            "https://crm.example.com/?x=\\",
            "\\\\crm.example.com\\hooks",
        ],
    ),
    # WHATWG URL strips leading and trailing C0 and spaces, and tab and newline anywhere; CVE-2022-0391 (urllib.parse).
    "space and control characters": (
        "spaces or control characters",
        [
            " https://crm.example.com/",
            "https://crm.example.com/ ",
            "https://crm.example.com/\n",
            "\x00https://crm.example.com/",
            "\x1fhttps://crm.example.com/",
            "ht\ntps://crm.example.com/",
            "https://crm.exam\tple.com/",
            "https://crm.example.com\r\nHost: 127.0.0.1/",
            "https://crm.example.com/a b",
            "https://crm.example.com/\x7f",
            "https://crm.example.com/?a=\x0b",
            "https:// crm.example.com/",
            "https://crm.example.com :443/",
            "https://crm.example.com\x00.127.0.0.1/",
        ],
    ),
    # Contract: no fragment. A "#" in the authority ends it for some parsers and not for others.
    "fragment": (
        "fragment",
        [
            "https://crm.example.com/#",
            "https://crm.example.com/hooks#part",
            "https://crm.example.com#@127.0.0.1/",
            "https://127.0.0.1#.crm.example.com/",
            "https://crm.example.com?#",
        ],
    ),
    # UTS 46 maps these to ASCII, and each library has its own version of it; Birch, "HostSplit" (2019).
    "not ASCII": (
        "must be ASCII",
        [
            "https://bücher.example/",
            "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
            "https://127。0。0。1/",
            "https://①②⑦.⓪.⓪.①/",
            "https://crm.example\uff0ecom/",
            "https://crm.example.com\uff0fhooks/",
            "https://evil.c℀.example.com/",
            "https://crm\u00ad.example.com/",
            "https://crm\u200b.example.com/",
            "https://crm.example.com\u00a0/",
            "https://crm.example.com/ä",
            "https://\u2113ocalhost/",
            "https://faß.example/",
            "\ufeffhttps://crm.example.com/",
        ],
    ),
    # RFC 3986 allows percent-encoding in a name, WHATWG decodes it, most clients do neither; contract: refused.
    "percent sign in the host": (
        "percent sign",
        [
            "https://crm%2eexample.com/",
            "https://%31%32%37.0.0.1/",
            "https://127.0.0.1%2f.crm.example.com/",
            "https://crm.example.com%00.internal/",
            "https://crm.example.com%23.internal/",
            "https://[fe80::1%25eth0]/",
            "https://[fe80::1%eth0]/",
            "https://[2606:4700::1111%251]/",
            "https://crm.example.com:%34%34%33/",
        ],
    ),
    # inet_aton(3): octal, hexadecimal, short and plain-number addresses; WHATWG "ends in a number"; RFC 6943, 3.1.1.
    "malformed address": (
        "malformed address",
        [
            "https://127.1/",
            "https://127.0.1/",
            "https://2130706433/",
            "https://0/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0X7F.0.0.1/",
            "https://0x7f.0x0.0x0.0x1/",
            "https://0177.0.0.1/",
            "https://017700000001/",
            "https://127.0.0.01/",
            "https://093.184.215.14/",
            "https://127.0.0.1.1/",
            "https://256.1.1.1/",
            "https://1.2.3/",
            "https://4294967296/",
            "https://crm.example.123/",
            "https://crm.example.0x7f/",
            "https://crm.example.0x/",
            "https://..1/",
        ],
    ),
    # RFC 3986, 3.2.2, RFC 4291: what is no IPv6 address.
    "malformed IPv6 address": (
        "malformed",
        [
            "https://[]/",
            "https://[:::1]/",
            "https://[1::2::3]/",
            "https://[2606:4700::11111]/",
            "https://[127.0.0.1]/",
            "https://[crm.example.com]/",
            "https://[v1.fe80]/",
            "https://[2606:4700::1111/",
            "https://2606:4700::1111]/",
            "https://2606:4700::1111/",
            "https://[[2606:4700::1111]]/",
            "https://[2606:4700::1111]crm.example.com/",
            "https://crm[2606:4700::1111]/",
            "https://[2606:4700::1111].example.com/",
            "https://[::1]]/",
        ],
    ),
    # RFC 5952: one spelling of each IPv6 address.
    "unusual spelling of an address": (
        "unusual spelling",
        [
            "https://[2606:4700:0:0:0:0:0:1111]/",
            "https://[2606:4700:0::1111]/",
            "https://[2606:4700::0111]/",
            "https://[::ffff:93.184.215.14]/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[2606:4700::0.0.17.17]/",
        ],
    ),
    # IANA special-purpose registries; the clouds' metadata services.
    "address that is not public": (
        "private or reserved",
        [
            "https://127.0.0.1/",
            "https://0.0.0.0/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://100.100.100.200/",
            "https://168.63.129.16/",
            "https://192.0.0.192/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::]/",
            "https://[::1]/",
            "https://[::7f00:1]/",
            "https://[::ffff:7f00:1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://[fec0::1]/",
            "https://[ff02::1]/",
        ],
    ),
    # RFC 1035, 2.3.4, RFC 1123, 2.1: the syntax of host names; java.net.URI knows no host with an underscore.
    "malformed name": (
        "malformed host name",
        [
            "https://crm..example.com/",
            "https://.example.com/",
            f"https://{'a' * 64}.example.com/",
            "https://crm_1.example.com/",
            "https://-crm.example.com/",
            "https://crm-.example.com/",
            "https://crm.example.-/",
            "https://xn--.example.com/",
            "https://xn--localhost-.example/",
            "https://crm,example.com/",
            "https://crm;example.com/",
            "https://*.example.com/",
            "https://crm!.example.com/",
            "https://$(id).example.com/",
            "https://crm'.example.com/",
            'https://crm".example.com/',
            "https://<crm>.example.com/",
            "https://{crm}.example.com/",
            "https://crm|example.com/",
            "https://crm^example.com/",
            "https://crm`example.com/",
            "https://crm&example.com/",
            "https://crm=example.com/",
            "https://crm+1.example.com/",
        ],
    ),
    # RFC 1034, 3.1: the root's dot. With it `localhost.` passes lists of names, and TLS compares without it.
    "dot at the end": (
        "dot at the end",
        [
            "https://crm.example.com./",
            "https://localhost./",
            "https://crm.example.com../",
            "https://crm.internal.:443/",
        ],
    ),
    # RFC 3492, RFC 5891: punycode that libraries decode differently or not at all.
    "punycode": (
        "malformed xn--",
        [
            "https://xn--a.example.com/",
            "https://xn--bcher-kva1.example/",
            "https://xn--BCHER-KV.example/",
            "https://xn--abc.example.com/",
            "https://xn--8g7ccp.0.0.1.example/",
            "https://xn--0.example.com/",
            "https://xn--99999999999.example.com/",
        ],
    ),
    # RFC 6761, RFC 6762, RFC 8375, ICANN's .internal, Kubernetes' services.
    "internal name": (
        "public host name",
        [
            "https://localhost/",
            "https://LOCALHOST/",
            "https://app.localhost/",
            "https://printer.local/",
            "https://local/",
            "https://metadata.google.internal/",
            "https://internal/",
            "https://redis.default.svc/",
            "https://redis.default.svc.cluster.local/",
            "https://nas.home.arpa/",
            "https://home.arpa/",
            "https://svc/",
        ],
    ),
    # RFC 6761, 6.3 and search domains: a single label is looked up inside first.
    "single label": ("full host name", ["https://redis/", "https://crm:8443/", "https://com/", "https://kubernetes/"]),
    # RFC 3986, 3.2.3 allows an empty port and leading zeros; httpx takes 65536.
    "malformed port": (
        "malformed port",
        [
            "https://crm.example.com:/",
            "https://crm.example.com:0/",
            "https://crm.example.com:00443/",
            "https://crm.example.com:0443/",
            "https://crm.example.com:65536/",
            "https://crm.example.com:99999/",
            "https://crm.example.com:655360/",
            "https://crm.example.com:4294967739/",
            "https://crm.example.com:-443/",
            "https://crm.example.com:+443/",
            "https://crm.example.com:443a/",
            "https://crm.example.com:0x1bb/",
            "https://crm.example.com:443:443/",
            "https://crm.example.com:4_43/",
            "https://[2606:4700::1111]:/",
        ],
    ),
    # Contract: a port from CALLBACK_PORTS.
    "port that is not allowed": (
        "must not use port",
        [
            "https://crm.example.com:22/",
            "https://crm.example.com:80/",
            "https://crm.example.com:6379/",
            "https://crm.example.com:65535/",
            "https://93.184.215.14:9200/",
            "https://[2606:4700::1111]:25/",
        ],
    ),
    # RFC 3986, 3.3 and 5.2.4: dot segments are removed by some clients and sent by others.
    "dot segments": (
        "'.' and '..'",
        [
            "https://crm.example.com/hooks/../admin",
            "https://crm.example.com/..",
            "https://crm.example.com/./hooks",
            "https://crm.example.com/%2e%2e/admin",
            "https://crm.example.com/.%2E/admin",
        ],
    ),
    # RFC 3986, 3.3 and 3.4: characters that clients encode each in their own way.
    "character to encode": (
        "must be percent-encoded",
        [
            "https://crm.example.com/100%",
            "https://crm.example.com/%zz",
            "https://crm.example.com/%2",
            "https://crm.example.com/<x>",
            'https://crm.example.com/"x"',
            "https://crm.example.com/{x}",
            "https://crm.example.com/a|b",
            "https://crm.example.com/a^b",
            "https://crm.example.com/`x`",
            "https://crm.example.com/[x]",
            "https://crm.example.com/?a=%",
            "https://crm.example.com/?a=<x>",
            'https://crm.example.com/?a="x"',
            "https://crm.example.com/?a=`x`",
        ],
    ),
    # Contract: at most 2,048 characters. RFC 1035: a name of at most 253.
    "too long": (
        "longer than",
        [
            "https://crm.example.com/" + "a" * 2025,
            "https://crm.example.com/?" + "a" * 100_000,
            "https://" + "a23456789." * 25 + "example/",
        ],
    ),
}

ROWS = [
    pytest.param(url, says, id=f"{family} {number}")
    for family, (says, urls) in HOSTILE.items()
    for number, url in enumerate(urls)
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
    urls = {url for _, urls in HOSTILE.values() for url in urls}
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


@pytest.mark.parametrize("url", [url for family in _STILL_REFUSED for url in HOSTILE[family][1]])
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
