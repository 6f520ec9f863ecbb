"""Receivers that fail, or are slow, below HTTP: resets in every phase, TLS, silence."""

import asyncio

from app.outbound.http import ErrorClass
from tests.outbound.behaviours import behind_tls, delivered, nobody_accepts, nobody_listens, plain, retried
from tests.outbound.certificates import Fault
from tests.outbound.receivers import Connection, Script, always_ok, floods, says, says_and_resets, silent

# A ServerHello that chooses version 3.2 and a cipher that TLS 1.1 has.
_HELLO_OF_TLS_1_1 = b"\x16\x03\x02\0\x2a\x02\0\0\x26\x03\x02" + bytes(32) + b"\0\xc0\x13\0"
_HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"


async def _resets_at_once(connection: Connection) -> None:
    connection.reset()


async def _resets_after_the_first_bytes(connection: Connection) -> None:
    await connection.some()
    connection.reset()


async def _closes_after_the_first_bytes(connection: Connection) -> None:
    await connection.some()


async def _resets_after_the_answer(connection: Connection) -> None:
    await connection.request()
    await connection.answer()
    # The client has it when its own end of the connection is used again or closed.
    await connection.some()
    connection.reset()


async def _ends_sending_at_once(connection: Connection) -> None:
    connection.end_sending()
    await connection.until_gone()


async def _ends_sending_after_the_answer(connection: Connection) -> None:
    await connection.request()
    await connection.answer()
    connection.end_sending()
    await connection.until_gone()


async def _ends_sending_after_half(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-le")
    connection.end_sending()
    await connection.until_gone()


async def _answers_before_the_request(connection: Connection) -> None:
    await connection.send(b"HTTP/1.1 503 Busy\r\nretry-after: 9\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    await connection.until_gone()


async def _never_reads(connection: Connection) -> None:
    await connection.stop_reading()


async def _answers_when_it_is_too_late(connection: Connection) -> None:
    await connection.request()
    await connection.until_gone()
    await connection.answer()


def _greets(data: bytes) -> Script:
    """Answer the ClientHello with these bytes."""

    async def script(connection: Connection) -> None:
        await connection.some()
        await connection.send(data)
        await connection.until_gone()

    return script


async def _hangs_in_the_handshake(connection: Connection) -> None:
    await connection.some()
    await asyncio.Event().wait()


RESETS = [
    retried("nobody listens", nobody_listens, ErrorClass.CONNECT),
    retried("nobody accepts", nobody_accepts, ErrorClass.TIMEOUT),
    retried("reset on accept", plain(_resets_at_once), ErrorClass.RESET),
    retried("reset in the request", plain(_resets_after_the_first_bytes), ErrorClass.RESET),
    retried("reset before the answer", plain(says_and_resets(b"")), ErrorClass.RESET),
    retried("reset in the status line", plain(says_and_resets(b"HTTP/1.1 2")), ErrorClass.RESET),
    retried("reset after a whole status line", plain(says_and_resets(b"HTTP/1.1 200 OK\r\n")), ErrorClass.RESET),
    retried("reset in the headers", plain(says_and_resets(b"HTTP/1.1 200 OK\r\nx: y\r\n")), ErrorClass.RESET),
    delivered("reset in the body of a 200", plain(says_and_resets(_HALF))),
    retried("reset in the body of a 500", plain(says_and_resets(_HALF.replace(b"200", b"500"))), 500),
    delivered("reset after the answer", plain(_resets_after_the_answer), excerpt=b"ok"),
    retried("closes at once", plain(says(b"")), ErrorClass.RESET),
    retried("half-closes before it answers", plain(_ends_sending_at_once), ErrorClass.RESET),
    retried("half-closes in the headers", plain(_ends_sending_after_half), ErrorClass.RESET),
    delivered("half-closes after the answer", plain(_ends_sending_after_the_answer), excerpt=b"ok"),
    retried("answers before it has read the request", plain(_answers_before_the_request), 503, wait=9),
]

TLS = [
    delivered("TLS in good order", behind_tls(always_ok), excerpt=b"ok"),
    retried("a certificate of an unknown authority", behind_tls(always_ok, trusted=False), ErrorClass.TLS),
    retried("an expired certificate", behind_tls(always_ok, Fault.EXPIRED), ErrorClass.TLS),
    retried("a certificate of the future", behind_tls(always_ok, Fault.NOT_YET), ErrorClass.TLS),
    retried("a certificate for another name", behind_tls(always_ok, Fault.OTHER_NAME), ErrorClass.TLS),
    retried("a self-signed certificate", behind_tls(always_ok, Fault.SELF_SIGNED, trusted=False), ErrorClass.TLS),
    retried("TLS 1.1 at best", plain(_greets(_HELLO_OF_TLS_1_1), "https"), ErrorClass.TLS),
    retried("an alert instead of a ServerHello", plain(_greets(b"\x15\x03\x01\0\2\2\x28"), "https"), ErrorClass.TLS),
    retried("garbage instead of a ServerHello", plain(_greets(b"\x16\x03\x03garbage" * 9), "https"), ErrorClass.TLS),
    retried("plain HTTP on a TLS port", plain(_greets(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "https"), ErrorClass.TLS),
    retried("reset after the ClientHello", plain(_resets_after_the_first_bytes, "https"), ErrorClass.RESET),
    retried("close after the ClientHello", plain(_closes_after_the_first_bytes, "https"), ErrorClass.RESET),
    retried("a handshake that hangs", plain(_hangs_in_the_handshake, "https"), ErrorClass.TIMEOUT),
    retried("reset before the answer behind TLS", behind_tls(says_and_resets(b"")), ErrorClass.RESET),
    delivered("no goodbye of TLS after the answer", behind_tls(_ends_sending_after_the_answer), excerpt=b"ok"),
    retried("never answers behind TLS", behind_tls(silent), ErrorClass.TIMEOUT),
    delivered("an endless body behind TLS", behind_tls(floods(b"HTTP/1.1 200 OK\r\n\r\n", b"z" * 4096))),
]

SLOW = [
    retried("never answers", plain(silent), ErrorClass.TIMEOUT),
    retried("never reads", plain(_never_reads), ErrorClass.TIMEOUT),
    retried("answers after the deadline", plain(_answers_when_it_is_too_late), ErrorClass.TIMEOUT),
    retried("drips its status line", plain(floods(b"HTTP/1.1 200 ", b"O", 0.01)), ErrorClass.TIMEOUT),
    retried("drips a header", plain(floods(b"HTTP/1.1 200 OK\r\nx: ", b"y", 0.01)), ErrorClass.TIMEOUT),
    retried("drips headers", plain(floods(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", 0.05)), ErrorClass.TIMEOUT),
    delivered("drips its body", plain(floods(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"z", 0.01))),
    retried("drips the body of a 500", plain(floods(b"HTTP/1.1 500 No\r\n\r\n", b"z", 0.01)), 500),
    delivered("never sends its body", plain(floods(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"", 0.05)),
              excerpt=b""),
    retried("drips interim answers", plain(floods(b"", b"HTTP/1.1 102 Processing\r\n\r\n", 0.01)), ErrorClass.TIMEOUT),
]  # fmt: skip
