"""The API and the simulator over HTTP, as anybody would use them."""

from typing import Any

import httpx

from app.dev.runner.errors import Refused
from app.dev.runner.home import DemoTenant
from app.dev.runner.surroundings import Surroundings

_TENANT_NAME = "demo"
_PAGE = 200

Life = tuple[tuple[float, str], ...]


class Rest:
    """Raises Refused for every answer that is not the wanted one."""

    def __init__(self, client: httpx.AsyncClient, around: Surroundings) -> None:
        self._client = client
        self._around = around
        upstream = around.upstream
        self._trigger_url = f"{upstream.base_url}/api/v1/{upstream.account_id}/{upstream.project_id}/outbound-call"

    async def create_tenant(self, admin_key: str) -> DemoTenant:
        upstream = self._around.upstream
        body = {
            "name": _TENANT_NAME,
            "account_id": upstream.account_id,
            "project_id": upstream.project_id,
            "connector_id": upstream.connector_id,
        }
        created = await self._ask("POST", "/v1/admin/tenants", admin_key, 201, json=body)
        return DemoTenant(upstream.fingerprint, created["api_key"], created["signing_secret"])

    async def knows(self, tenant: DemoTenant) -> bool:
        """Tell whether this installation takes the tenant's key."""
        answer = await self._send("GET", "/v1/subscriptions", tenant.api_key, params={"limit": 1})
        if answer.status_code not in (200, 401):
            raise _refusal(answer)
        return answer.is_success

    async def subscribe(self, tenant: DemoTenant, call_sid: str) -> None:
        body = {"call_sid": call_sid, "callback_url": self._around.callback_url}
        await self._ask("POST", "/v1/subscriptions", tenant.api_key, 201, json=body)

    async def cancel_active(self, tenant: DemoTenant) -> None:
        """Cancel every subscription whose call is not over."""
        cursor: str | None = None
        while True:
            wanted = {"status": "active", "limit": _PAGE, **({"cursor": cursor} if cursor else {})}
            page = await self._ask("GET", "/v1/subscriptions", tenant.api_key, 200, params=wanted)
            for subscription in page["items"]:
                await self._send("DELETE", f"/v1/subscriptions/{subscription['id']}", tenant.api_key)
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def place_call(self, life: Life | None) -> str:
        """Trigger a call at the simulator and return its SID; without a life the simulator plans one."""
        headers = {"x-connector-id": self._around.upstream.connector_id}
        try:
            answer = await self._client.post(self._trigger_url, headers=headers, json={"life": life})
        except httpx.TransportError as error:
            raise Refused(f"the simulator does not answer ({type(error).__name__}).") from error
        if answer.status_code != httpx.codes.CREATED:
            raise _refusal(answer)
        return str(answer.json()["call_sid"])

    async def _ask(self, method: str, path: str, key: str, status: int, **arguments: Any) -> Any:
        answer = await self._send(method, path, key, **arguments)
        if answer.status_code != status:
            raise _refusal(answer)
        return answer.json()

    async def _send(self, method: str, path: str, key: str, **arguments: Any) -> httpx.Response:
        url, headers = f"{self._around.api_url}{path}", {"authorization": f"Bearer {key}"}
        try:
            return await self._client.request(method, url, headers=headers, **arguments)
        except httpx.TransportError as error:
            raise Refused(f"the API does not answer {method} {path} ({type(error).__name__}).") from error


def _refusal(answer: httpx.Response) -> Refused:
    request = answer.request
    return Refused(f"{request.method} {request.url.path} was answered with {answer.status_code}: {answer.text[:300]}")
