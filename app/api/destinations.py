"""The route of a tenant's destinations."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.api.deps import ServiceDep, TenantDep, tenant_of
from app.api.paging import PageQuery, read_cursor, write_cursor
from app.api.problems import documented
from app.api.schemas import destination as schemas
from app.store.troubled import PLACE

router = APIRouter(
    prefix="/v1/destinations",
    tags=["deliveries"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)


@router.get("", responses=documented(422))
async def list_destinations(
    query: Annotated[PageQuery, Query()], service: ServiceDep, tenant: TenantDep
) -> schemas.TroubledDestinationList:
    """List the destinations in trouble, those that failed last first; of those that are well nothing is kept.

    One leaves the list with the next delivery that it answers, a quarter of an hour after its last failure if it is
    only `failing`, and after a day if nothing has been tried there any more. What fails meanwhile comes before the
    first page. A page may hold fewer items than `limit`, even none, and not be the last.
    """
    page = await service.destinations.page(tenant, limit=query.limit, place=read_cursor(query.cursor, PLACE))
    return schemas.TroubledDestinationList(
        items=[schemas.TroubledDestination.of(one) for one in page.items],
        next_cursor=write_cursor(page.following),
    )
