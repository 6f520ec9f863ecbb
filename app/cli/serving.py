"""Commands that run Ringback itself: its API, its workers, or everything at once."""
# ruff: noqa: PLC0415 -- a command imports what it needs: --help is quick, and the service runs without the dev extra

import os
import signal
import sys
from pathlib import Path
from typing import Literal

import click

from app.cli.common import LOOPBACK, PORT, check_port, failure

# How long requests under way, live streams among them, may hold up the end of the API.
_API_STOP_SECONDS = 10
# Longer than balancers keep a connection that nobody uses, a minute as a rule: whoever closes first breaks the request
# that the other one is just sending.
_KEEP_ALIVE_SECONDS = 75

WorkerKind = Literal["poll", "deliver"]


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True, envvar="RINGBACK_BIND_HOST", show_envvar=True)
@click.option("--port", default=8000, show_default=True, envvar="RINGBACK_BIND_PORT", show_envvar=True, type=PORT)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="How many processes.")
def api(host: str, port: int, workers: int) -> None:
    """Serve the REST API. In a container: --host 0.0.0.0."""
    # From the first moment, since nothing has been begun; and uvicorn ends in good order on SIGTERM, but then raises it
    # once more, which would look like a crash.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    import uvicorn

    from app.settings import load_settings

    load_settings("api")
    check_port(host, port)
    uvicorn.run(
        "app.main:app",
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_API_STOP_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


@click.command()
@click.argument("kind", type=click.Choice(["poll", "deliver"]))
def worker(kind: WorkerKind) -> None:
    """Run a worker that polls calls, or one that delivers events, until SIGTERM or Ctrl-C."""
    # arq takes the signal over once it runs; what is imported before takes a second.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from arq.utils import import_string
    from arq.worker import run_worker

    from app.settings import load_settings
    from app.telemetry.log import configure_logging

    settings = load_settings(kind)
    configure_logging(settings.log_level, settings.secrets)
    run_worker(import_string(f"workers.{kind}.WorkerSettings"))


@click.command()
@click.option("--port", default=8000, show_default=True, type=PORT, help="The API's port; another one if it is taken.")
@click.option(
    "--folder",
    default=".ringback",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where Redis' data, the keys and the logs are kept.",
)
def dev(port: int, folder: Path) -> None:
    """Run everything here until Ctrl-C: Redis, a simulated upstream, the API, both workers and a listener.

    With RINGBACK_UPSTREAM_BASE_URL it follows calls of the real upstream instead, with the credentials in
    RINGBACK_DEV_ACCOUNT_ID, RINGBACK_DEV_PROJECT_ID and RINGBACK_DEV_CONNECTOR_ID.
    """
    try:
        from app.dev.runner import DevError, run_dev
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise failure(f"{package} is not installed: pip install 'ringback[embedded]'.") from None
    from app.dev.embedded_redis import EmbeddedRedisError

    try:
        run_dev(folder, port)
    except (DevError, EmbeddedRedisError) as error:
        raise failure(str(error)) from None
