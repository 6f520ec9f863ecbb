"""The stub that also remembers when each call was asked for: `python -m tests.bench.poll_log PORT`.

`GET /stub/polls` tells it, a line for each poll with its Unix time and the SID, and forgets it.
"""

import asyncio
import gc
import sys
import time

import uvloop

from tests.bench.stub import Connection, Stub


class PollLog(Stub):
    """A stub that remembers its polls."""

    def __init__(self) -> None:
        super().__init__()
        self._polls: list[bytes] = []

    def answer_later(self, connection: Connection, target: bytes, head: bytes) -> None:
        self._polls.append(b"%.6f %b" % (time.time(), target.rpartition(b"/")[2]))
        super().answer_later(connection, target, head)

    def control(self, target: bytes) -> bytes:
        if target != b"/stub/polls":
            return super().control(target)
        told, self._polls = b"\n".join(self._polls), []
        return b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (len(told), told)


async def _serve(port: int) -> None:
    peers = PollLog()
    gc.disable()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Connection(peers), "127.0.0.1", port, backlog=4096) as server:
        print("the stub listens", flush=True)  # noqa: T201 -- whoever started it waits for that
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
