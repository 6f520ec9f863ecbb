"""The command line: `ringback`.

What goes wrong is told in one line on standard error that begins with `ringback:`, and with exit code 1.
"""
# ruff: noqa: PLC0415 -- a command imports what it needs: --help is quick, and the service runs without the dev extra

import signal
import socket
import sys
from pathlib import Path
from typing import Literal

import click

_HOST = "127.0.0.1"
_PORT = click.IntRange(1, 65535)
# How long requests under way, live streams among them, may hold up the end of the API.
_API_STOP_SECONDS = 10

WorkerKind = Literal["poll", "deliver"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ringback", prog_name="ringback", message="%(prog)s %(version)s")
def main() -> None:
    """Turn a polled call-status endpoint into signed, ordered webhooks.

    Settings come from the environment, with the prefix RINGBACK_.
    """


@main.command()
@click.option("--host", default=_HOST, show_default=True, envvar="RINGBACK_BIND_HOST", show_envvar=True)
@click.option("--port", default=8000, show_default=True, envvar="RINGBACK_BIND_PORT", show_envvar=True, type=_PORT)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="How many processes.")
def api(host: str, port: int, workers: int) -> None:
    """Serve the REST API. In a container: --host 0.0.0.0."""
    import uvicorn

    from app.settings import load_settings

    load_settings("api")
    _check_port(host, port)
    # uvicorn ends in good order on SIGTERM, and then raises it once more: that would look like a crash.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        "app.main:app",
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_API_STOP_SECONDS,
    )


@main.command()
@click.argument("kind", type=click.Choice(["poll", "deliver"]))
def worker(kind: WorkerKind) -> None:
    """Run a worker that polls calls, or one that delivers events, until SIGTERM or Ctrl-C."""
    from arq.utils import import_string
    from arq.worker import run_worker

    from app.settings import load_settings
    from app.telemetry.log import configure_logging

    configure_logging(load_settings(kind).log_level)
    run_worker(import_string(f"workers.{kind}.WorkerSettings"))


@main.command()
@click.option("--port", default=8000, show_default=True, type=_PORT, help="The API's port; another one if it is taken.")
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
        raise _failure(f"{package} is not installed: pip install 'ringback[embedded]'.") from None
    from app.dev.embedded_redis import EmbeddedRedisError

    try:
        run_dev(folder, port)
    except (DevError, EmbeddedRedisError) as error:
        raise _failure(str(error)) from None


@main.command()
@click.option("--host", default=_HOST, show_default=True)
@click.option("--port", default=9000, show_default=True, type=_PORT)
@click.option("--seed", default=1, show_default=True, type=int, help="The same seed plays the same lives.")
@click.option("--time-lapse", default=1.0, show_default=True, help="Seconds of a call that pass in one second.")
@click.option("--retention", default=7200.0, show_default=True, help="Seconds from a call's end to its 404.")
@click.option("--error-share", default=0.02, show_default=True, help="The share of status answers that are 500.")
@click.option("--slow-share", default=0.01, show_default=True, help="The share of status answers that are slow.")
@click.option("--slow-seconds", default=1.5, show_default=True, help="How late a slow answer is.")
@click.option("--whole-seconds", is_flag=True, help="Print times without a fraction, as the vendor's example does.")
def simulate(
    *,
    host: str,
    port: int,
    seed: int,
    time_lapse: float,
    retention: float,
    error_share: float,
    slow_share: float,
    slow_seconds: float,
    whole_seconds: bool,
) -> None:
    """Play the upstream: calls that are triggered over HTTP go through their lives."""
    from app.dev.simulator import DEMO_ACCOUNT, SimulatorSettings, run_simulator

    try:
        settings = SimulatorSettings(
            seed=seed,
            time_lapse=time_lapse,
            retention_seconds=retention,
            error_share=error_share,
            slow_share=slow_share,
            slow_seconds=slow_seconds,
            whole_seconds=whole_seconds,
        )
    except ValueError as error:
        raise _failure(f"{error}.") from None
    _check_port(host, port)
    base = f"http://{_in_url(host)}:{port}"
    click.echo(f"The simulated upstream is at {base}. Trigger a call:")
    click.echo(
        f"  curl -X POST {base}/api/v1/{DEMO_ACCOUNT.account_id}/{DEMO_ACCOUNT.project_id}/outbound-call"
        f" -H 'X-CONNECTOR-ID: {DEMO_ACCOUNT.connector_ids[0]}'"
    )
    run_simulator(settings, host, port)


@main.command()
@click.option("--host", default=_HOST, show_default=True)
@click.option("--port", default=9001, show_default=True, type=_PORT)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    envvar="RINGBACK_LISTEN_SECRET",
    show_envvar=True,
    help="A signing secret (whsec_…); may be repeated. Separated by spaces in the environment.",
)
@click.option("--status", default=204, show_default=True, type=click.IntRange(200, 599), help="What to answer with.")
@click.option("--delay", default=0.0, show_default=True, type=click.FloatRange(min=0), help="Seconds to an answer.")
@click.option("--first", default=None, type=click.IntRange(min=0), help="Behave so for so many requests only.")
def listen(*, host: str, port: int, secrets: tuple[str, ...], status: int, delay: float, first: int | None) -> None:
    """Receive webhooks on any path, verify each signature, print one line each."""
    from app.dev.listener import ListenerBehaviour, run_listener
    from app.domain.errors import InvalidSecret
    from app.domain.signing import secret_key

    for secret in secrets:
        try:
            secret_key(secret)
        except InvalidSecret as error:
            raise _failure(str(error)) from None
    _check_port(host, port)
    verifying = "verifies signatures" if secrets else "verifies nothing, since it was given no --secret"
    click.echo(f"The listener is at http://{_in_url(host)}:{port} and {verifying}.")
    behaviour = ListenerBehaviour(status=status, delay_seconds=delay, first_requests=first)
    run_listener(secrets, host, port, behaviour=behaviour)


@main.group()
def tenants() -> None:
    """Manage tenants."""


@tenants.command("create")
@click.option("--name", required=True, help="For people.")
@click.option("--account-id", required=True, help="The upstream account of its calls.")
@click.option("--project-id", required=True, help="The upstream project, likewise.")
@click.option(
    "--connector-id",
    envvar="RINGBACK_CONNECTOR_ID",
    show_envvar=True,
    help="The upstream connector, a credential. Other users of this machine can read an argument: without one it "
    "is asked for, and with '-' it is read from standard input.",
)
def create_tenant(name: str, account_id: str, project_id: str, connector_id: str | None) -> None:
    """Create a tenant and print its API key and signing secret, which are shown this once."""
    import asyncio
    import json

    from app.domain.errors import RingbackError
    from app.resources import open_resources
    from app.settings import load_settings

    settings = load_settings("tools")
    if not name.strip():
        raise _failure("--name is empty.")
    connector = _connector_id(connector_id)

    async def create() -> dict[str, str]:
        async with open_resources(settings) as resources:
            await resources.ledger.ping()
            await resources.ledger.check_partitions(settings.partitions)
            new = await resources.service.tenants.create(name.strip(), account_id, project_id, connector)
        (signing_secret,) = new.tenant.signing_secrets
        return {"id": new.tenant.id, "name": name.strip(), "api_key": new.api_key, "signing_secret": signing_secret}

    try:
        created = asyncio.run(create())
    except RingbackError as error:
        raise _failure(str(error)) from None
    click.echo(json.dumps(created, indent=2))


def _connector_id(given: str | None) -> str:
    if given == "-":
        return sys.stdin.readline().strip()
    if given is None and not sys.stdin.isatty():
        raise _failure("the connector id is missing: set RINGBACK_CONNECTOR_ID, or pipe it in with --connector-id -.")
    return given if given is not None else str(click.prompt("Connector id", hide_input=True, err=True)).strip()


def _check_port(host: str, port: int) -> None:
    """End the process if nothing can listen there: a server would say it less plainly, or start workers first."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _failure(f"cannot listen on {host} port {port}: {reason}.") from None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _failure(message: str) -> SystemExit:
    return SystemExit(f"ringback: {message}")


if __name__ == "__main__":
    main()
