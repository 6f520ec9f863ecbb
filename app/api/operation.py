"""Routes of the operator: how everything is doing."""

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.api.deps import Backend, ServiceDep, backend_of, require_admin
from app.api.paging import PageQuery, read_cursor, write_cursor
from app.api.problems import documented
from app.api.schemas import destination, overview
from app.store.connection import StoreUnavailable
from app.store.troubled import PLACE

router = APIRouter(
    prefix="/v1/admin",
    tags=["admin"],
    dependencies=[Depends(require_admin)],
    responses=documented(401, 503),
)


@router.get("/overview")
async def get_overview(backend: Annotated[Backend, Depends(backend_of)]) -> overview.Overview:
    """Return how the installation is doing, as it is read within a few seconds.

    A part that cannot be read just now is null, and the rest is told all the same.
    """
    # Another installation's ledger is refused here as anywhere; one that is away is what this is there to show.
    with suppress(StoreUnavailable):
        await backend.readiness.probe()
    return overview.Overview.of(await backend.resources.service.overview.look())


@router.get("/destinations", responses=documented(422))
async def list_all_destinations(
    query: Annotated[PageQuery, Query()], service: ServiceDep
) -> destination.TroubledDestinationOfTenantList:
    """List all tenants' destinations in trouble, those that failed last first.

    What fails meanwhile comes before the first page. A page may hold fewer items than `limit`, even none, and not be
    the last.
    """
    found = await service.destinations.page_of_all(limit=query.limit, place=read_cursor(query.cursor, PLACE))
    return destination.TroubledDestinationOfTenantList(
        items=destination.items_of_all(found),
        next_cursor=write_cursor(found.page.following),
    )
