"""The console: one page, and the modules and styles that it loads. What it shows it asks the API for, with a key."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

_FOLDER = Path(__file__).parent
_STATIC = _FOLDER / "static"
# By extension: the machine's own table may know other types, or none. A file of any other kind is not served.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    # A browser keeps a file and asks each time whether it still holds: modules of two versions never meet.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(prefix="/console", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, path: Path) -> "_File":
        content = path.read_bytes()
        return cls(content, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _read_all(folder: Path) -> Mapping[str, _File]:
    """Return the files by their paths in the folder: what is not among them cannot be asked for."""
    files = (path for path in sorted(folder.rglob("*")) if path.suffix in _MEDIA_TYPES)
    return {path.relative_to(folder).as_posix(): _File.read(path) for path in files}


_SHELL = _File.read(_FOLDER / "shell.html")
_FILES = _read_all(_STATIC)


@router.get("")
async def console(request: Request) -> Response:
    return _answer(request, _SHELL)


@router.get("/")
async def console_with_slash(request: Request) -> Response:
    """Lead to the page's only address: its parts are named relative to that."""
    return Response(status_code=308, headers={**_HEADERS, "Location": f"{request.scope.get('root_path', '')}/console"})


@router.get("/static/{path:path}")
async def console_file(request: Request, path: str) -> Response:
    file = _FILES.get(path)
    if file is None:
        raise HTTPException(404)
    return _answer(request, file)


def _answer(request: Request, file: _File) -> Response:
    headers = _HEADERS | {"ETag": file.etag}
    if _has(request.headers.get("if-none-match", ""), file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


def _has(kept: str, etag: str) -> bool:
    """Whether `If-None-Match` names this version; a proxy that compresses may have made the tag a weak one."""
    tags = {tag.strip().removeprefix("W/") for tag in kept.split(",")}
    return etag in tags or "*" in tags
