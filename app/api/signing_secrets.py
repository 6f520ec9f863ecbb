"""Routes of signing secrets."""

from fastapi import APIRouter, Depends, Response

from app.api.deps import ServiceDep, TenantDep, require_json_if_any, tenant_of
from app.api.problems import documented
from app.api.schemas import signing_secret as schemas

router = APIRouter(
    prefix="/v1/signing-secrets",
    tags=["signing secrets"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)


@router.get("")
async def list_signing_secrets(service: ServiceDep, tenant: TenantDep) -> schemas.SigningSecretList:
    """List the secrets that sign the tenant's deliveries at this moment, the newest first.

    The secrets themselves are shown once, when they are made. Subscriptions with a `secret` of their own are signed
    with that one alone.
    """
    secrets = await service.signing_secrets.signing(tenant)
    return schemas.SigningSecretList(items=[schemas.SigningSecret.of(one) for one in secrets])


@router.post(
    "/rotate",
    dependencies=[Depends(require_json_if_any)],
    responses=documented(400, 409, 413, 415, 422),
)
async def rotate_signing_secret(
    response: Response, service: ServiceDep, tenant: TenantDep, wanted: schemas.Rotation | None = None
) -> schemas.RotatedSecret:
    """Make a new signing secret, which is shown this once; the ones before go on signing beside it for a while.

    During the overlap `webhook-signature` holds one signature per secret, the newest first, and a delivery is genuine
    when any of them matches. So: rotate, let the receiver accept the new secret beside the old one, and take the old
    one out once its `expires_at` is past. No secret signs for longer than the overlap of any rotation after it. At
    most five may sign at once, else 409.

    Within a second, every attempt is signed with the new secret. With an overlap of a minute or more a receiver that
    holds a secret until its `expires_at` verifies everything. With less, or with 0, an attempt that was under way may
    arrive later than that, signed with the old secret alone: refuse it, and it is sent again with the new one.
    """
    response.headers["Cache-Control"] = "no-store"
    overlap_seconds = (wanted or schemas.Rotation()).overlap_seconds
    return schemas.RotatedSecret.of(await service.signing_secrets.rotate(tenant, overlap_seconds))
