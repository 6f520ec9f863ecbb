"""The command line: `ringback`.

What goes wrong is told in one line on standard error that begins with `ringback:`, and with exit code 1.
"""

import click

from app.cli.encryption import secrets
from app.cli.health import health
from app.cli.keys import keys
from app.cli.listening import listen
from app.cli.peers import simulate
from app.cli.serving import api, dev, worker
from app.cli.settings import settings
from app.cli.tenants import tenants


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ringback", prog_name="ringback", message="%(prog)s %(version)s")
def main() -> None:
    """Turn a polled call-status endpoint into signed, ordered webhooks.

    Settings come from the environment, with the prefix RINGBACK_.
    """


for command in (api, worker, health, dev, simulate, listen, tenants, keys, secrets, settings):
    main.add_command(command)
