"""The OpenAPI document, and the page that shows it. The page loads nothing from outside."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles
from starlette.responses import HTMLResponse

from app.api.problems import MEDIA_TYPE

_ASSETS = "/docs/assets"
# The browser is told as well, so that no version of the page can load anything from outside unnoticed.
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'"
)
_PROBLEM = "#/components/schemas/Problem"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}{request.app.openapi_url}",
        title=request.app.title,
        swagger_js_url=f"{root}{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{root}{_ASSETS}/favicon.png",
        # Its default is a badge that a public service draws.
        swagger_ui_parameters={"validatorUrl": None},
    )
    page.headers["Content-Security-Policy"] = _POLICY
    return page


def mount_assets(app: FastAPI) -> None:
    """Serve the page's script and style from the copies in the package fastapi_offline."""
    app.mount(_ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]))


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document: problems under their own media type, and no other shape of an error."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"] = dict(_answers(operation["responses"]))
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document


def _answers(responses: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for status, response in responses.items():
        shape = response.get("content", {}).get("application/json")
        if status.startswith("2") or shape is None:
            yield status, response
        elif shape["schema"]["$ref"] == _PROBLEM:
            yield status, {**response, "content": {MEDIA_TYPE: shape}}
        # What is left is FastAPI's own 422, which it lists wherever there is a parameter, even one that takes any text.
