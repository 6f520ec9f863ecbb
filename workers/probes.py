"""What a worker shows of itself over HTTP: is it alive, is it ready, how is it doing."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str]]


async def start_probes(host: str, port: int, alive: Check, ready: Check) -> web.AppRunner | None:
    """Serve /healthz, /readyz and /metrics on `host` and `port`; the checks return what is wrong, or nothing.

    A port that is taken costs the probes, not the worker: another worker on this machine has it.
    """
    app = web.Application()
    app.router.add_get("/healthz", _probe(alive))
    app.router.add_get("/readyz", _probe(ready))
    app.router.add_get("/metrics", _metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        log.warning("no probes and no metrics: RINGBACK_WORKER_PORT cannot be bound on RINGBACK_WORKER_HOST: %s", error)
        await runner.cleanup()
        return None
    return runner


def _probe(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        problem = await check()
        status = {"status": problem or "ok"}
        return web.json_response(status, status=503 if problem else 200)

    return answer


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})
