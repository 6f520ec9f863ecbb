"""Commands that play the others: the upstream that is polled, and a receiver of webhooks."""
# ruff: noqa: PLC0415 -- a command imports what it needs: --help is quick, and the service runs without the dev extra

import click

from app.cli.common import LOOPBACK, PORT, check_port, failure, in_url


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True)
@click.option("--port", default=9000, show_default=True, type=PORT)
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
        raise failure(f"{error}.") from None
    check_port(host, port)
    base = f"http://{in_url(host)}:{port}"
    click.echo(f"The simulated upstream is at {base}. Trigger a call:")
    click.echo(
        f"  curl -X POST {base}/api/v1/{DEMO_ACCOUNT.account_id}/{DEMO_ACCOUNT.project_id}/outbound-call"
        f" -H 'X-CONNECTOR-ID: {DEMO_ACCOUNT.connector_ids[0]}'"
    )
    run_simulator(settings, host, port)


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
            raise failure(str(error)) from None
    check_port(host, port)
    verifying = "verifies signatures" if secrets else "verifies nothing, since it was given no --secret"
    click.echo(f"The listener is at http://{in_url(host)}:{port} and {verifying}.")
    behaviour = ListenerBehaviour(status=status, delay_seconds=delay, first_requests=first)
    run_listener(secrets, host, port, behaviour=behaviour)
