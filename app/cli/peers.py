"""The command that plays the upstream that is polled."""
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
