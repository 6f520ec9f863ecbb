"""The command that a container's health check runs. It is run every few seconds, so it imports next to nothing."""
# ruff: noqa: PLC0415 -- the command imports what it needs: other commands need nothing of it

import os
from dataclasses import dataclass
from typing import Literal

import click

from app.cli.common import LOOPBACK, failure, in_url

# A loop that is busy answers within milliseconds; Docker and Kubernetes wait a little longer than this.
_ANSWER_SECONDS = 3.0
_OK = 200
# Where a server that listens everywhere is reached from its own container.
_EVERYWHERE = {"": LOOPBACK, "0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 -- no socket is bound to it here

Role = Literal["api", "worker"]


@dataclass(frozen=True, slots=True)
class Door:
    """Where a process answers /healthz: the variables that say so, and what holds where they are not set."""

    host_variable: str
    port_variable: str
    host: str
    port: int

    def address(self) -> tuple[str, int]:
        host = os.environ.get(self.host_variable, self.host)
        port = os.environ.get(self.port_variable, str(self.port))
        if not (port.isascii() and port.isdigit()):
            raise failure(f"{self.port_variable} is impossible: it is not a number.")
        return _EVERYWHERE.get(host, host), int(port)


# The defaults of `ringback api` and of the settings, whose import costs more than the whole question.
DOORS: dict[Role, Door] = {
    "api": Door("RINGBACK_BIND_HOST", "RINGBACK_BIND_PORT", LOOPBACK, 8000),
    "worker": Door("RINGBACK_WORKER_HOST", "RINGBACK_WORKER_PORT", "0.0.0.0", 8080),  # noqa: S104 -- a default, told
}


@click.command()
@click.argument("role", required=False, type=click.Choice(["api", "worker"]))
def health(role: Role | None) -> None:
    """Ask the API or the worker of this container whether it is well; the exit code is 0 if so, else 1.

    Without a role, whichever of the two listens is asked: the API on RINGBACK_BIND_PORT, a worker on
    RINGBACK_WORKER_PORT.
    """
    asked: list[Role] = [role] if role else ["api", "worker"]
    addresses = [address for one in asked if (address := DOORS[one].address())[1]]
    for host, port in addresses:
        status = _ask(host, port)
        if status == _OK:
            return
        if status is not None:
            raise failure(f"/healthz on {in_url(host)}:{port} answered {status}.")
    where = " or ".join(f"{in_url(host)}:{port}" for host, port in addresses)
    raise failure(f"nothing listens on {where}." if where else "the port to ask is 0: no probes are served.")


def _ask(host: str, port: int) -> int | None:
    """Return the status that /healthz is answered with, or None where nobody listens."""
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except ConnectionRefusedError:
        return None
    except (OSError, HTTPException) as error:
        raise failure(
            f"/healthz on {in_url(host)}:{port} was not answered: {str(error) or type(error).__name__}."
        ) from None
    finally:
        connection.close()
