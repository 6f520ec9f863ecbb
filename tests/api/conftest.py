"""A running application, and a tenant of it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.client import Headers, new_tenant, running
from tests.conftest import MakeSettings


@pytest.fixture
async def api(make_settings: MakeSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with running(make_settings()) as client:
        yield client


@pytest.fixture
async def tenant(api: httpx.AsyncClient) -> Headers:
    return await new_tenant(api)
