"""Routes of the operator: a tenant's API keys."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.deps import ServiceDep, require_admin, require_json_if_any
from app.api.paging import PageQuery, read_cursor, write_cursor
from app.api.problems import documented, located
from app.api.schemas import api_key as schemas

router = APIRouter(
    prefix="/v1/admin/tenants/{tenant_id}/api-keys",
    tags=["admin"],
    dependencies=[Depends(require_admin)],
    responses=documented(401, 404, 503),
)

_PLACE = re.compile(r"key_[0-9a-z]{20}")
_TenantId = Annotated[str, Path(description="The tenant's id.", examples=["ten_1m842cp907q3yc2f95cq"])]


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(require_json_if_any)],
    responses={**located("The new key. It is shown this once."), **documented(400, 409, 413, 415, 422)},
)
async def create_api_key(
    tenant_id: _TenantId, response: Response, service: ServiceDep, wanted: schemas.NewApiKey | None = None
) -> schemas.CreatedApiKey:
    """Give a tenant another API key. Each opens the same; more than a hundred are refused with 409.

    To replace a key without an interruption: make a new one, use it, and revoke the old one once its `last_used_at`
    stands still.
    """
    new = await service.tenants.create_api_key(tenant_id, (wanted or schemas.NewApiKey()).name)
    response.headers["Location"] = f"{router.prefix.format(tenant_id=tenant_id)}/{new.key.id}"
    response.headers["Cache-Control"] = "no-store"
    return schemas.CreatedApiKey.made(new)


@router.get("", responses=documented(422))
async def list_api_keys(
    tenant_id: _TenantId, query: Annotated[PageQuery, Query()], service: ServiceDep
) -> schemas.ApiKeyList:
    """List a tenant's API keys, the oldest first. The keys themselves are shown once, when they are made."""
    page = await service.tenants.api_keys(tenant_id, limit=query.limit, after=read_cursor(query.cursor, _PLACE))
    return schemas.ApiKeyList(
        items=[schemas.ApiKey.of(one) for one in page.items], next_cursor=write_cursor(page.following)
    )


@router.delete("/{key_id}", status_code=204)
async def revoke_api_key(
    tenant_id: _TenantId,
    key_id: Annotated[str, Path(description="The key's id.", examples=["key_1m842cp907q3yc2f95cq"])],
    service: ServiceDep,
) -> None:
    """Revoke an API key: it opens nothing any more, from this moment on. The last one can be revoked too."""
    await service.tenants.revoke_api_key(tenant_id, key_id)
