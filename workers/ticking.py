"""The worker's ticks, also when this machine's clock is set: arq goes by it, and would wait until it is right again."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from arq.cron import CronJob

# A tick is at most a second ahead, and a machine that is busy looks some seconds late.
_MOST_OFF_SECONDS = 5.0
_LOOK_SECONDS = 1.0


async def keep_ticking(jobs: Sequence[CronJob]) -> None:
    """Watch for ever that each job's next run is near.

    After a clock was set back, it is not: nothing would tick until that time has come. After one was set ahead,
    arq would make up for each second that never was.
    """
    while True:
        forget_far_runs(jobs)
        await asyncio.sleep(_LOOK_SECONDS)


def forget_far_runs(jobs: Sequence[CronJob]) -> None:
    """Let arq find anew the next run of each job that is not within some seconds of now."""
    for job in jobs:
        if (
            job.next_run
            and abs((job.next_run - datetime.now(tz=job.next_run.tzinfo)).total_seconds()) > _MOST_OFF_SECONDS
        ):
            job.next_run = None
