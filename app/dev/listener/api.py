"""The questions that a listener asks of the API, and refusals in words that name what to change."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from app.dev.listener.lines import printable

_PATIENCE_SECONDS = 10.0
# A heartbeat comes every 15 s.
_SILENCE_SECONDS = 45.0


class ListenError(Exception):
    """What keeps the listener from working, in a sentence for a terminal."""


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Where the API is, and a key of a tenant."""

    url: str
    key: str

    def client(self) -> httpx.AsyncClient:
        """Open a client; raises `ListenError`."""
        try:
            return httpx.AsyncClient(
                base_url=self.url,
                headers={"Authorization": f"Bearer {self.key}"},
                timeout=httpx.Timeout(_PATIENCE_SECONDS, read=_SILENCE_SECONDS),
                trust_env=False,
            )
        except (ValueError, httpx.InvalidURL) as error:
            raise ListenError(f"--api or --key cannot be used: {error}.") from error

    def unreachable(self, error: Exception) -> ListenError:
        return ListenError(f"the API at {self.url} does not answer ({type(error).__name__}): see --api.")


async def subscribe(api: ApiAccess, call_sid: str, callback_url: str, secret: str, events: Sequence[str]) -> str:
    """Subscribe to a call, and return the subscription's id; raises `ListenError`."""
    wanted = {"call_sid": call_sid, "callback_url": callback_url, "secret": secret}
    async with api.client() as client:
        try:
            answer = await client.post("/v1/subscriptions", json=wanted | ({"events": list(events)} if events else {}))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise api.unreachable(error) from error
    if not answer.is_success:
        raise refusal(answer, f"{call_sid} cannot be subscribed to")
    made = answer.json()
    return printable(str(made.get("id"))) if isinstance(made, dict) else ""


def refusal(answer: httpx.Response, what: str) -> ListenError:
    """Say why the API refuses something, and what to do."""
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return ListenError(f"{what}: the API does not know this key: see --key.")
    try:
        said = answer.json()
        fields = "; ".join(str(one.get("message")) for one in said.get("errors", ()))
        detail = fields or str(said.get("detail") or said.get("title"))
    except (ValueError, AttributeError):
        detail = "it is no Ringback, it seems: see --api"
    return ListenError(printable(f"{what}: {answer.status_code}, {detail}")[:500])
