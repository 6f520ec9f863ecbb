"""The table at every door of the API, under the default rules: nothing hostile is accepted, and nothing is sent."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from app.main import create_app
from app.resources import callback_url_rules
from app.service.callbacks import CallbackService
from app.settings import Settings
from tests.api.client import CALLBACK_URL, SUBSCRIPTIONS, Headers, new_tenant, running, subscribe, subscription_body
from tests.conftest import MakeSettings
from tests.hostile.addresses import ADDRESSES
from tests.hostile.family import NameFamily, UrlFamily
from tests.hostile.hosts import HOSTS
from tests.hostile.names import NAMES
from tests.hostile.spellings import SPELLINGS
from tests.hostile.traps import LyingResolver, guarded_client, in_url

TEST = "/v1/callbacks/test"

Knock = Callable[[str], Awaitable[httpx.Response]]
Door = Callable[[httpx.AsyncClient, Headers], Awaitable[Knock]]


async def at_registration(api: httpx.AsyncClient, tenant: Headers) -> Knock:
    return lambda url: api.post(SUBSCRIPTIONS, headers=tenant, json=subscription_body(callback_url=url))


async def at_a_change(api: httpx.AsyncClient, tenant: Headers) -> Knock:
    address = f"{SUBSCRIPTIONS}/{(await subscribe(api, tenant))['id']}"
    return lambda url: api.patch(address, headers=tenant, json={"callback_url": url})


async def at_a_test(api: httpx.AsyncClient, tenant: Headers) -> Knock:
    return lambda url: api.post(TEST, headers=tenant, json={"callback_url": url})


# Every route that takes a callback URL.
DOORS: tuple[Door, ...] = (at_registration, at_a_change, at_a_test)
by_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)

LITERALS = UrlFamily(
    "literal addresses",
    source="The families in addresses.py.",
    says="",
    urls=tuple(f"https://{in_url(address)}/hooks" for family in ADDRESSES for address in family.addresses),
)
REFUSED = (*SPELLINGS, *HOSTS, LITERALS)


@pytest.fixture
def strict(make_settings: MakeSettings) -> Settings:
    defaults = ("allow_private_callbacks", "allow_http_callbacks", "callback_ports")
    return make_settings(**{name: Settings.model_fields[name].default for name in defaults})


def test_the_collection_is_large_and_has_no_row_twice() -> None:
    urls = [url for family in REFUSED for url in family.urls]
    assert len(set(urls)) == len(urls) >= 220
    assert all(family.source for family in (*REFUSED, *NAMES, *ADDRESSES))


@by_door
async def test_what_is_hostile_is_refused_with_a_reason(strict: Settings, door: Door) -> None:
    async with running(strict) as api:
        tenant = await new_tenant(api)
        knock = await door(api, tenant)
        before = (await api.get(SUBSCRIPTIONS, headers=tenant)).json()
        for family in REFUSED:
            for url in family.urls:
                answer = await knock(url)
                assert answer.status_code == 422, (family.name, url, answer.text)
                (error,) = answer.json()["errors"]
                assert error["field"] == "callback_url"
                assert family.says in error["message"], url
        assert (await api.get(SUBSCRIPTIONS, headers=tenant)).json() == before


@pytest.mark.parametrize("door", [at_registration, at_a_change], ids=lambda door: door.__name__)
async def test_a_name_like_any_other_is_accepted_where_nothing_is_dialled(strict: Settings, door: Door) -> None:
    """It is judged by where it leads when it is dialled (test_dialling.py)."""
    async with running(strict) as api:
        knock = await door(api, await new_tenant(api))
        for family in NAMES:
            for host in family.hosts:
                answer = await knock(f"https://{host}/hooks")
                assert answer.is_success, (host, answer.text)


@asynccontextmanager
async def _running_with_lookups(settings: Settings, *answers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run the application with a client for which every name leads to `answers`."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        guarded_client(LyingResolver(answers)) as lied_to,
        httpx.AsyncClient(transport=transport, base_url="http://ringback.test") as api,
    ):
        backend = app.state.backend
        resources = backend.resources
        tests = CallbackService(
            callbacks=lied_to, callback_rules=callback_url_rules(settings), clock=resources.ledger.clock
        )
        service = replace(resources.service, callbacks=tests)
        app.state.backend = replace(backend, resources=replace(resources, service=service))
        yield api


@pytest.mark.parametrize("family", NAMES, ids=lambda family: family.name)
async def test_a_test_of_a_name_that_leads_inside_is_refused_without_details(
    strict: Settings, family: NameFamily
) -> None:
    async with _running_with_lookups(strict, *family.answers) as api:
        knock = await at_a_test(api, await new_tenant(api))
        for host in family.hosts:
            answer = await knock(f"https://{host}/hooks")
            assert answer.status_code == 200
            result = answer.json()
            assert result.pop("duration_ms") >= 0
            assert result == {"status_code": None, "error": "address_not_allowed"}


async def test_the_doors_open_for_what_is_good(strict: Settings) -> None:
    async with running(strict) as api:
        tenant = await new_tenant(api)
        for door in (at_registration, at_a_change):
            assert (await (await door(api, tenant))(f"{CALLBACK_URL}/{door.__name__}")).is_success
