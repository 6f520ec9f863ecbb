"""Receivers that answer: every status, waits that are asked for, odd and invalid HTTP, answers without end."""

import gzip
import zlib
from datetime import UTC, datetime, timedelta

from app.domain.retry import RETRY_AFTER_MAX_SECONDS
from app.outbound.http import ErrorClass
from tests.outbound.behaviours import FIRST_WAIT, Behaviour, delivered, gone, plain, retried
from tests.outbound.receivers import Connection, Script, floods, says, says_and_waits

_OK = b"HTTP/1.1 200 OK\r\n"
_EMPTY = b"content-length: 0\r\n\r\n"
_CHUNKED = _OK + b"transfer-encoding: chunked\r\n\r\n"


def _head(status: int, *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", *fields, "content-length: 0", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _status(status: int) -> Behaviour:
    peer = plain(says_and_waits(_head(status)))
    if 200 <= status < 300:
        return delivered(f"status {status}", peer, status)
    return gone("status 410", peer) if status == 410 else retried(f"status {status}", peer, status)


def _redirect(status: int, location: str) -> Behaviour:
    return retried(f"{status} to {location}", plain(says_and_waits(_head(status, f"location: {location}"))), status)


def _wait(what: str, status: int, *values: str, wait: float = FIRST_WAIT) -> Behaviour:
    answer = _head(status, *(f"retry-after: {value}" for value in values))
    return retried(f"{status} with {what} in Retry-After", plain(says_and_waits(answer)), status, wait=wait)


def _asks_for(spelling: str) -> Script:
    """Ask to wait until in an hour, told as a date in this spelling."""

    async def script(connection: Connection) -> None:
        await connection.request()
        date = spelling.format(datetime.now(UTC) + timedelta(hours=1))
        await connection.send(_head(429, f"retry-after: {date}"))
        await connection.until_gone()

    return script


def _packed(encoding: str, packed: bytes) -> Behaviour:
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(packed)}\r\n\r\n"
    return delivered(f"a bomb labelled {encoding}", plain(says(head.encode() + packed)), excerpt=packed[:1024])


def _invalid(name: str, answer: bytes) -> Behaviour:
    return retried(name, plain(says_and_waits(answer)), ErrorClass.PROTOCOL)


def _taken(name: str, answer: bytes, status: int = 200, excerpt: bytes | None = None) -> Behaviour:
    return delivered(name, plain(says_and_waits(answer)), status, excerpt)


STATUSES = [
    *(_status(status) for status in (200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 250, 299)),
    *(_status(status) for status in (300, 304, 305, 306, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 413)),
    *(_status(status) for status in (415, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499)),
    *(_status(status) for status in (500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 521, 599, 600, 999)),
    _redirect(301, "http://127.0.0.1:6379/"),
    _redirect(302, "http://169.254.169.254/latest/meta-data/"),
    _redirect(303, "//[::1]/"),
    _redirect(307, "https://crm.example.com/elsewhere"),
    _redirect(308, "file:///etc/passwd"),
    _redirect(301, "gopher://127.0.0.1:11211/_stats"),
    _redirect(302, "http://["),
]

WAITS = [
    _wait("seconds", 429, "7", wait=7),
    _wait("seconds", 503, "120", wait=120),
    _wait("less than the schedule's step", 429, "0"),
    retried("429 with a date in Retry-After", plain(_asks_for("{:%a, %d %b %Y %H:%M:%S GMT}")), 429, wait=3600),
    retried("429 with an old date in Retry-After", plain(_asks_for("{:%a %b %d %H:%M:%S %Y}")), 429, wait=3600),
    _wait("a date of the past", 503, "Sun, 06 Nov 1994 08:49:37 GMT"),
    _wait("a negative number", 429, "-5"),
    _wait("a fraction", 429, "2.5"),
    _wait("nonsense", 503, "soon"),
    _wait("nothing", 503, ""),
    _wait("digits that are not ASCII", 503, "\xb2\xb3"),
    _wait("a huge number", 429, "9" * 400, wait=RETRY_AFTER_MAX_SECONDS),
    _wait("a date in the far future", 503, "Fri, 31 Dec 9999 23:59:59 GMT", wait=RETRY_AFTER_MAX_SECONDS),
    _wait("an impossible date", 503, "Fri, 99 Foo 9999 99:99:99 GMT"),
    _wait("two values", 429, "7", "9"),
    _wait("seconds, which it may not ask for,", 500, "600"),
]  # fmt: skip

UNUSUAL = [
    _taken("100, 102 and many 103 before the answer",
           b"HTTP/1.1 100 A\r\n\r\nHTTP/1.1 102 B\r\n\r\n" + b"HTTP/1.1 103 C\r\n\r\n" * 20 + _head(200)),
    retried("101, another protocol",
            plain(says_and_waits(b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n")), 101),
    delivered("a body until the connection's end", plain(says(_OK + b"\r\nto the end")), excerpt=b"to the end"),
    delivered("no length, closed at once", plain(says(_OK + b"\r\n")), excerpt=b""),
    _taken("HTTP/1.0", b"HTTP/1.0 200 OK\r\n" + _EMPTY),
    _taken("no reason", b"HTTP/1.1 200\r\n" + _EMPTY),
    _taken("a header that is not ASCII", _OK + b"x: \xe9\xff\r\n" + _EMPTY),
    _taken("a charset that does not exist", _OK + b"content-type: a/b; charset=x; ;=\r\ncontent-length: 1\r\n\r\n\xff",
           excerpt=b"\xff"),
    _taken("a 204 with a body", b"HTTP/1.1 204 None\r\ncontent-length: 4\r\n\r\nbody", 204),
    _taken("a 205 with a body", b"HTTP/1.1 205 Reset\r\ncontent-length: 4\r\n\r\nbody", 205),
    _taken("two answers", _head(200) + _head(410)),
    _taken("more bytes than it said", _OK + b"content-length: 2\r\n\r\nok and more", excerpt=b"ok"),
    delivered("fewer bytes than it said", plain(says(_OK + b"content-length: 99\r\n\r\nfew")), excerpt=b"few"),
    _taken("a chunk of no size", _CHUNKED + b"2\r\nok\r\nzz\r\n"),
    _taken("a negative chunk", _CHUNKED + b"-2\r\nok\r\n0\r\n\r\n"),
    _taken("a chunk longer than a number can be", _CHUNKED + b"f" * 40 + b"\r\nok\r\n"),
    _taken("trailers", _CHUNKED + b"2\r\nok\r\n0\r\nx: y\r\n\r\n", excerpt=b"ok"),
    _taken("exactly as much as is kept", _OK + b"content-length: 1024\r\n\r\n" + b"z" * 1024, excerpt=b"z" * 1024),
    _taken("one byte more than is kept", _OK + b"content-length: 1025\r\n\r\n" + b"z" * 1025, excerpt=b"z" * 1024),
    _taken("a compressed body that is none", _OK + b"content-encoding: br\r\ncontent-length: 1\r\n\r\n-", excerpt=b"-"),
    _taken("bare LF", b"HTTP/1.1 200 OK\ncontent-length: 0\n\n"),
    _taken("a folded header", _OK + b"x: a\r\n b\r\n" + _EMPTY),
]  # fmt: skip

INVALID = [
    _invalid("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n"),
    _invalid("binary", b"\x00\xff\x16\x03\r\n\r\n"),
    _invalid("HTTP/9.9", b"HTTP/9.9 200 OK\r\n" + _EMPTY),
    _invalid("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    _invalid("a status that is no number", b"HTTP/1.1 abc OK\r\n" + _EMPTY),
    _invalid("status 99", b"HTTP/1.1 99 Low\r\n" + _EMPTY),
    _invalid("status 1000", b"HTTP/1.1 1000 High\r\n" + _EMPTY),
    _invalid("a header without a colon", _OK + b"no colon\r\n" + _EMPTY),
    _invalid("a space before the colon", _OK + b"x : y\r\n" + _EMPTY),
    _invalid("NUL in a header", _OK + b"x: a\x00b\r\n" + _EMPTY),
    _invalid("a negative length", _OK + b"content-length: -1\r\n\r\n"),
    _invalid("a length that is no number", _OK + b"content-length: ten\r\n\r\n"),
    _invalid("a length longer than a number can be", _OK + b"content-length: " + b"9" * 40 + b"\r\n\r\n"),
    _invalid("two lengths that differ", _OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab"),
    _invalid("the same length twice", _OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok"),
    _invalid("both a length and chunks", _OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    _invalid("a header of 70 kB", _OK + b"x: " + b"y" * 70_000 + b"\r\n\r\n"),
    _invalid("500 headers", _OK + b"x: y\r\n" * 500 + b"\r\n"),
]  # fmt: skip

ENDLESS = [
    delivered("an endless body", plain(floods(_OK + b"\r\n", b"z" * 65536))),
    delivered("a body of 10 TB", plain(floods(_OK + b"content-length: 9999999999999\r\n\r\n", b"z" * 65536))),
    retried("an endless body of a 404", plain(floods(b"HTTP/1.1 404 No\r\n\r\n", b"z" * 65536)), 404),
    delivered("endless chunks", plain(floods(_CHUNKED, b"1\r\nz\r\n" * 10_000))),
    delivered("endless chunk extensions", plain(floods(_CHUNKED, (b"1;" + b"x" * 4000 + b"\r\nz\r\n") * 16))),
    delivered("one endless chunk extension", plain(floods(_CHUNKED + b"1;", b"x" * 65536))),
    delivered("endless trailers", plain(floods(_CHUNKED + b"0\r\n", b"x: y\r\n" * 10_000))),
    retried("endless headers", plain(floods(_OK, b"x: y\r\n" * 10_000)), ErrorClass.PROTOCOL),
    retried("an endless header", plain(floods(_OK + b"x: ", b"y" * 65536)), ErrorClass.PROTOCOL),
    retried("an endless header name", plain(floods(_OK, b"y" * 65536)), ErrorClass.PROTOCOL),
    retried("an endless reason", plain(floods(b"HTTP/1.1 200 ", b"y" * 65536)), ErrorClass.PROTOCOL),
    retried("endless empty lines", plain(floods(b"", b"\r\n" * 30_000)), ErrorClass.PROTOCOL),
    retried("endless interim answers", plain(floods(b"", b"HTTP/1.1 103 Hints\r\n\r\n" * 3_000)), ErrorClass.PROTOCOL),
    retried("endless bytes after a 101",
            plain(floods(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", b"z" * 65536)), 101),
    _packed("gzip", gzip.compress(bytes(20_000_000))),
    _packed("deflate", zlib.compress(bytes(20_000_000))),
    _packed("br", b"\x5b\xff\xff\xff\x07" * 4_000),
    _packed("zstd", b"\x28\xb5\x2f\xfd" + b"\x00" * 9_000),
    _packed("gzip, gzip, gzip", gzip.compress(gzip.compress(gzip.compress(bytes(2_000_000))) * 200)),
]  # fmt: skip
