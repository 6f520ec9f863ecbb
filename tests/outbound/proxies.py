"""Scripted proxies: what stands between us and a receiver."""

import asyncio
import base64

from tests.outbound.receivers import Connection, Receiver, Script


def tunnel_to(receiver: Receiver) -> Script:
    """Answer CONNECT, whatever the host, with a tunnel to this receiver."""

    async def script(connection: Connection) -> None:
        await connection.request()
        reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
        await connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = asyncio.create_task(_carry_back(reader, connection))
        try:
            while data := await connection.some():
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)

    return script


async def _carry_back(reader: asyncio.StreamReader, connection: Connection) -> None:
    while data := await reader.read(65536):
        await connection.send(data)


def basic(user: str, password: str) -> bytes:
    """Return the line that carries a user name and a password to a proxy, in lower case."""
    return b"\r\nproxy-authorization: basic %b\r\n" % base64.b64encode(f"{user}:{password}".encode()).lower()
