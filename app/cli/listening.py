"""The command that receives or reads what Ringback tells."""
# ruff: noqa: PLC0415 -- a command imports what it needs: --help is quick, and the service runs without the dev extra

from typing import Literal

import click

from app.cli.common import LOOPBACK, PORT, check_port, failure


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True)
@click.option("--port", default=9001, show_default=True, type=PORT)
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
@click.option("--retry-after", default=None, type=click.IntRange(min=0), help="Seconds to name in Retry-After.")
@click.option(
    "--fail",
    default=None,
    type=click.Choice(["reset", "close", "hang"]),
    help="Break off, or never answer.",
)
@click.option("--first", default=None, type=click.IntRange(min=0), help="Behave so for so many requests only.")
@click.option("--subscribe", "calls", multiple=True, help="A call's SID to subscribe to by itself; may be repeated.")
@click.option("--api", default="http://127.0.0.1:8000", show_default=True, help="Where the API is.")
@click.option("--key", default="", envvar="RINGBACK_API_KEY", show_envvar=True, help="An API key of a tenant (rbk_…).")
@click.option("--callback-url", default="", help="How the API reaches this listener, if not by --host and --port.")
@click.option("--events", multiple=True, help="Only events of this type, or final; may be repeated.")
@click.option("--stream", is_flag=True, help="Read the API's stream instead: of the calls named, or of all.")
@click.option("--json", "as_json", is_flag=True, help="Print each delivery as a line of JSON.")
def listen(
    *,
    host: str,
    port: int,
    secrets: tuple[str, ...],
    status: int,
    delay: float,
    retry_after: int | None,
    fail: Literal["reset", "close", "hang"] | None,
    first: int | None,
    calls: tuple[str, ...],
    api: str,
    key: str,
    callback_url: str,
    events: tuple[str, ...],
    stream: bool,
    as_json: bool,
) -> None:
    """Receive webhooks on any path, verify each signature, print one line each: order, lateness, what is odd.

    With --subscribe it subscribes to calls by itself, with a secret of its own. With --stream it needs no port: it
    reads what the API tells live of calls that somebody has subscribed to, and ends when those that were named by
    --subscribe have ended.
    """
    from app.dev.listener import ListenerBehaviour, ListenError, Listening, run_listener
    from app.dev.listener.api import ApiAccess

    _check_secrets(secrets)
    if (calls or stream) and not key:
        raise failure("--key is missing: name an API key of a tenant, or set RINGBACK_API_KEY.")
    if not stream:
        check_port(host, port)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    wanted = Listening(
        host=host,
        port=port,
        secrets=secrets,
        behaviour=ListenerBehaviour(
            status=status, headers=headers, delay_seconds=delay, failure=fail, first_requests=first
        ),
        api=ApiAccess(api.rstrip("/"), key) if key else None,
        calls=calls,
        events=events,
        callback_url=callback_url,
        stream=stream,
        as_json=as_json,
    )
    try:
        run_listener(wanted)
    except ListenError as error:
        raise failure(str(error)) from None
    except OSError as error:
        raise failure(f"--host and --port cannot be had: {error.strerror or error}.") from None


def _check_secrets(secrets: tuple[str, ...]) -> None:
    from app.domain.errors import InvalidSecret
    from app.domain.signing import secret_key

    for secret in secrets:
        try:
            secret_key(secret)
        except InvalidSecret as error:
            raise failure(str(error)) from None
