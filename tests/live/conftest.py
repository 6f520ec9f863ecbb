"""The API on a port, and what its streams say."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.resources import Resources
from app.service.live.streams import StreamService
from app.settings import Settings
from tests.api.client import Headers, new_tenant
from tests.builders import LIFE, Pairs
from tests.conftest import MakeSettings
from tests.servers import serve
from tests.store.polling import poll


@dataclass(frozen=True, slots=True)
class Office:
    """An API that streams, and a worker's part played by the test."""

    app: FastAPI
    api: httpx.AsyncClient
    resources: Resources
    tenant: Headers

    async def happen(self, call_sid: str, pairs: Pairs = LIFE) -> None:
        """Have the upstream tell this of a call, and of those that share its partition."""
        await self.happen_silently(call_sid, pairs)
        self.resources.news.ring(self.resources.subscriptions.partition_of_call(call_sid).number)

    async def happen_silently(self, call_sid: str, pairs: Pairs) -> None:
        """Do the same as a worker whose ring is lost."""
        await poll(self.resources, self.resources.subscriptions.partition_of_call(call_sid), pairs)

    @property
    def streams(self) -> StreamService:
        """What the API serves streams with."""
        streams: StreamService = self.app.state.backend.resources.service.streams
        return streams


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
async def office(settings: Settings, resources: Resources) -> AsyncIterator[Office]:
    app = create_app(settings)
    async with (
        serve(app) as url,
        httpx.AsyncClient(base_url=url, timeout=20) as api,
    ):
        yield Office(app, api, resources, await new_tenant(api))
