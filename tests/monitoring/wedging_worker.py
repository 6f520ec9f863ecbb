"""A worker whose main loop can be wedged from outside: SIGUSR1 makes arq never look into its queue again.

Everything else goes on, probes and metrics among it: `python -m tests.monitoring.wedging_worker poll|deliver`.
"""

import asyncio
import signal
import sys

from arq.utils import import_string
from arq.worker import Worker, run_worker


async def _stand_still(self: Worker) -> None:  # noqa: ARG001 -- as the method is called
    await asyncio.Event().wait()


def _wedge(*_: object) -> None:
    Worker._poll_iteration = _stand_still  # type: ignore[method-assign]


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _wedge)
    run_worker(import_string(f"workers.{sys.argv[1]}.WorkerSettings"))
