"""TLS to Redis, which ends in a relay of the test's own: the certificate must be good, and for the name dialled."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.dev.embedded_redis import HOST, EmbeddedRedis, free_port
from app.store.connection import Ledger, StoreUnavailable
from tests.outbound.certificates import Fault, server_tls
from tests.peers import PATIENCE_SECONDS
from tests.topologies import Single, ask, port_with_bus


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Single]:
    with Single(tmp_path_factory.mktemp("redis"), "no") as running:
        yield running


@asynccontextmanager
async def relay(folder: Path, to: int, fault: Fault = Fault.NONE, port: int = 0) -> AsyncIterator[tuple[int, Path]]:
    """Take connections with TLS and pass on what they say; yields the port and the authority's file."""
    tls, roots = server_tls(folder, HOST, fault)
    under_way: set[asyncio.StreamWriter] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while sent := await reader.read(65536):
                writer.write(sent)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(HOST, to)
        under_way.update((writer, to_writer))
        await asyncio.gather(pass_on(reader, to_writer), pass_on(to_reader, writer))

    listener = await asyncio.start_server(serve, HOST, port, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1], roots
    finally:
        listener.close()
        for writer in under_way:
            writer.close()
        await listener.wait_closed()


async def works(url: str) -> bool:
    ledger = Ledger(url)
    try:
        await ledger.ping()
    except StoreUnavailable:
        return False
    finally:
        await ledger.aclose()
    return True


async def test_a_certificate_that_is_good_is_taken(server: Single, tmp_path: Path) -> None:
    async with relay(tmp_path, server.servers[0].port) as (port, roots):
        assert await works(f"rediss://{HOST}:{port}/0?ssl_ca_certs={roots}")
        assert not await works(f"rediss://{HOST}:{port}/0")


async def test_one_for_another_name_is_not_unless_that_is_wanted(server: Single, tmp_path: Path) -> None:
    async with relay(tmp_path, server.servers[0].port, Fault.OTHER_NAME) as (port, roots):
        url = f"rediss://{HOST}:{port}/0?ssl_ca_certs={roots}"
        assert not await works(url)
        assert await works(f"{url}&ssl_check_hostname=no")


async def test_so_is_each_node_s_of_a_cluster(tmp_path: Path) -> None:
    port = free_port()
    # It tells its clients to come through the relay.
    announced = ("--cluster-enabled", "yes", "--cluster-announce-ip", HOST, "--cluster-announce-port", str(port))
    with EmbeddedRedis(tmp_path, port=port_with_bus(), appendfsync="no", extra_arguments=announced) as node:
        ask(node.port, "CLUSTER", "ADDSLOTS", *range(16384))
        async with relay(tmp_path, node.port, port=port) as (_, roots):
            url = f"rediss+cluster://{HOST}:{port}?ssl_ca_certs={roots}"
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await works(url):
                    pass
            assert not await works(f"rediss+cluster://{HOST}:{port}")


async def test_one_that_nobody_vouches_for_is_not(server: Single, tmp_path: Path) -> None:
    async with relay(tmp_path, server.servers[0].port, Fault.SELF_SIGNED) as (port, roots):
        assert not await works(f"rediss://{HOST}:{port}/0?ssl_ca_certs={roots}")
        assert await works(f"rediss://{HOST}:{port}/0?ssl_cert_reqs=none")
