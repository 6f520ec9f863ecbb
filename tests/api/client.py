"""The application with its lifespan, and what its callers say to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import httpx

from app.main import create_app
from app.settings import Settings
from tests.builders import ACCOUNT, CALL_SID, CONNECTOR, PROJECT
from tests.conftest import ADMIN_KEY

Headers = dict[str, str]

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
SUBSCRIPTIONS = "/v1/subscriptions"
TENANTS = "/v1/admin/tenants"
CALLBACK_URL = "https://crm.example.com/hooks"


# The framework builds its routes with the first request: for a thousand tests that is a minute.
_application = lru_cache(4)(create_app)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Run the application in this process, without a network."""
    app = _application(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://ringback.test") as client,
    ):
        yield client


def tenant_body(**fields: Any) -> dict[str, Any]:
    body = {"name": "CRM", "account_id": ACCOUNT, "project_id": PROJECT, "connector_id": CONNECTOR}
    return {**body, **fields}


def subscription_body(**fields: Any) -> dict[str, Any]:
    return {"call_sid": CALL_SID, "callback_url": CALLBACK_URL, **fields}


async def new_tenant(api: httpx.AsyncClient, **fields: Any) -> Headers:
    """Make a tenant, and return the headers with which it is known."""
    answer = await api.post(TENANTS, headers=ADMIN, json=tenant_body(**fields))
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['api_key']}"}


async def subscribe(api: httpx.AsyncClient, tenant: Headers, **fields: Any) -> dict[str, Any]:
    """Make a new subscription, and return it."""
    answer = await api.post(SUBSCRIPTIONS, headers=tenant, json=subscription_body(**fields))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made
