"""News of calls: a worker that has written events says so, and whoever streams them looks at once.

What is said names partitions and nothing else, as a doorbell does, but is heard by everybody who listens at that
moment and kept by nobody: the journal (`app/store/journal.py`) has what was written. Where it is lost, streams are late
by a tick.
"""

import logging
from collections.abc import AsyncIterator, Sequence

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from app.domain.errors import RingbackError
from app.queue.ringer import Ringer
from app.redis.refusals import cause_of

CHANNEL = "ringback:news"
# A connection on which nothing is said is asked at these times whether it still is one.
_QUIET_SECONDS = 5.0
# Asked so often in a row without an answer, it is none.
_MOST_QUIET = 2

log = logging.getLogger(__name__)


class NewsUnavailable(RingbackError):
    """Redis cannot be listened to at this moment."""


class NewsBell(Ringer):
    """Tells everybody who listens that a partition has news."""

    def __init__(self, queue: ArqRedis) -> None:
        super().__init__()
        self._queue = queue

    async def _ring_for(self, partitions: Sequence[int]) -> None:
        try:
            await self._queue.publish(CHANNEL, " ".join(map(str, partitions)))
        except (RedisError, OSError) as error:
            log.warning("news not told, streams look by themselves", extra={"error": type(error).__name__})


class NewsFeed:
    """Hears what `NewsBell` tells."""

    def __init__(self, queue: ArqRedis) -> None:
        self._queue = queue

    async def hear(self) -> AsyncIterator[None]:
        """Yield once when listening has begun, and then whenever there are news; raises `NewsUnavailable`.

        Which partitions are meant is left unsaid: whoever tells of news in order looks at all of them.
        """
        listening = self._queue.pubsub()
        quiet = 0
        try:
            await listening.subscribe(CHANNEL)
            yield
            while quiet < _MOST_QUIET:
                match await listening.get_message(timeout=_QUIET_SECONDS):
                    case {"type": "message"}:
                        quiet = 0
                        yield
                    case None:
                        quiet += 1
                        await listening.ping()
                    case _:
                        quiet = 0
        except (RedisError, OSError) as error:
            raise NewsUnavailable(cause_of(error)) from error
        finally:
            await listening.aclose()
        raise NewsUnavailable("silence")
