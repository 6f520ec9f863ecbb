"""The manifests as Kubernetes gets them: rendered by kubectl where there is one, and the base also without."""

import copy
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.processes import ROOT

Document = dict[str, Any]

KUBERNETES = ROOT / "deploy" / "kubernetes"
BASE = "base"
# Each overlay as it stands, and what an operator may add to it; the base as it is read without a kubectl.
VARIANTS: tuple[str, ...] = (
    BASE,
    "dev",
    "dev+autoscaling",
    "production",
    "production+keda",
    "production+external-secrets",
    "production+ingress",
    "production+redis-tls",
    "production+tracing",
    "production+keda+external-secrets+ingress+redis-tls+tracing",
    *(("dev+monitoring", "production+monitoring") if (KUBERNETES / "components" / "monitoring").exists() else ()),
)
# What the base leaves to the overlays.
UPSTREAM = {"RINGBACK_UPSTREAM_BASE_URL": "https://api.example.com"}


class NotHere(Exception):
    """There is no kubectl on this machine."""


def documents_of(variant: str) -> list[Document]:
    """Return a variant's documents, as a copy that may be changed. Raises `NotHere`."""
    return copy.deepcopy(_base() if variant == BASE else _kustomized(variant))


@cache
def _kustomized(variant: str) -> list[Document]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise NotHere("kubectl is not installed here")
    overlay, *components = variant.split("+")
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(shutil.copytree(KUBERNETES, Path(folder) / "kubernetes")) / "overlays" / overlay
        _add(copied / "kustomization.yaml", components)
        run = subprocess.run([kubectl, "kustomize", copied], check=False, capture_output=True, text=True)  # noqa: S603 -- a folder of ours
    assert run.returncode == 0, run.stderr
    return _read(run.stdout)


def _add(kustomization: Path, components: list[str]) -> None:
    """Name more components, as the comments in an overlay suggest."""
    (wanted,) = _read(kustomization.read_text())
    wanted["components"] += [f"../../components/{name}" for name in components]
    kustomization.write_text(yaml.safe_dump(wanted))


@cache
def _base() -> list[Document]:
    """The base's documents with its patches, of which each kind of list is told apart by names."""
    folder = KUBERNETES / "base"
    (kustomization,) = _read((folder / "kustomization.yaml").read_text())
    documents = [one for name in kustomization["resources"] for one in _read((folder / name).read_text())]
    for document in documents:
        for patch in _patches(folder, document):
            document["spec"] = _merged(patch["spec"], document["spec"])
    settings = dict(line.split("=", 1) for line in _lines(folder / "settings.env"))
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ringback"}, "data": settings | UPSTREAM}
    return [*documents, config]


def _patches(folder: Path, document: Document) -> list[Document]:
    """The patches of a folder and of its components that are for a document; those without a name for any."""
    (kustomization,) = _read((folder / "kustomization.yaml").read_text())
    found = [
        (folder / patch["path"]).read_text()
        for patch in kustomization.get("patches", ())
        if patch["target"]["kind"] == document["kind"]
        and re.fullmatch(patch["target"].get("name", ".*"), document["metadata"]["name"])
    ]
    of_components = [_patches(folder / name, document) for name in kustomization.get("components", ())]
    return [*(_read(text)[0] for text in found), *(patch for patches in of_components for patch in patches)]


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def _merged(one: Any, other: Any) -> Any:
    match one, other:
        case dict(), dict():
            shared = {name: _merged(one[name], other[name]) for name in one.keys() & other.keys()}
            return {**one, **other, **shared}
        case [{"name": _}, *_], [{"name": _}, *_]:
            ours, theirs = ({item["name"]: item for item in items} for items in (one, other))
            return list(_merged(ours, theirs).values())
        case _:
            return other


def _read(text: str) -> list[Document]:
    return list(yaml.safe_load_all(text))
