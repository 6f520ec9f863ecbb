"""The manifests, each variant of them: Kubernetes takes them, and they mean what they should."""

import inspect
import tomllib
from collections.abc import Callable, Iterator

import pytest

from tests.deploy import checks_of_links, checks_of_networks, checks_of_pods
from tests.deploy.checks_of_networks import internet_ports
from tests.deploy.checks_of_shapes import VERSIONS, shapes
from tests.deploy.reading import pod_of, pods_of
from tests.deploy.rendering import BASE, KUBERNETES, VARIANTS, Document, NotHere, documents_of
from tests.processes import ROOT

Check = Callable[[list[Document]], Iterator[str]]

# A check is a public function of these modules that asks for the documents alone.
CHECKS: dict[str, Check] = {
    name: check
    for module in (checks_of_pods, checks_of_links, checks_of_networks)
    for name, check in inspect.getmembers(module, inspect.isfunction)
    if check.__module__ == module.__name__
    and not name.startswith("_")
    and len(inspect.signature(check).parameters) == 1
}
# The base has no Redis, no namespace and no way to either.
_OF_OVERLAYS = {"names_and_redis"}


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def documents(variant: str) -> list[Document]:
    return rendered(variant)


def rendered(variant: str) -> list[Document]:
    try:
        return documents_of(variant)
    except NotHere as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_them(documents: list[Document], version: str) -> None:
    assert list(shapes(documents, version)) == []


def test_they_mean_what_they_should(variant: str, documents: list[Document]) -> None:
    told = {name: list(check(documents)) for name, check in CHECKS.items()}
    wrong = {name: lines for name, lines in told.items() if lines}
    assert wrong.keys() == (_OF_OVERLAYS if variant == BASE else set()), wrong


@pytest.mark.parametrize(("variant", "ports"), [(BASE, set()), ("dev", {443, 8443}), ("production", {443, 8443})])
def test_the_api_is_let_out_by_a_component_alone(variant: str, ports: set[int]) -> None:
    documents = rendered(variant)
    assert internet_ports(documents, pod_of(documents, "api")) == ports


def test_every_component_is_in_some_variant() -> None:
    tried = {name for variant in VARIANTS for name in variant.split("+")}
    part_of_others = {"restricted", "api-egress"}
    assert {folder.name for folder in (KUBERNETES / "components").iterdir()} <= tried | part_of_others


def test_the_image_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {container["image"] for pod in pods_of(documents_of(BASE)) for container in pod.containers}
    assert images == {f"ringback:{version}"}


def test_the_base_is_read_as_kubectl_reads_it() -> None:
    """What is checked without a kubectl is what a cluster gets."""
    rendered_pods = {pod.name: pod for pod in pods_of(rendered("dev"))}
    for pod in pods_of(documents_of(BASE)):
        theirs = rendered_pods[pod.name]
        assert theirs.labels == pod.labels
        assert _without_links(theirs.spec) == _without_links(pod.spec)


def _without_links(spec: Document) -> Document:
    """Leave out the ConfigMap's hash, and the order of variables."""
    (container,) = spec["containers"]
    env = {variable["name"]: variable for variable in container["env"]}
    return {**spec, "containers": [{**container, "env": env, "envFrom": len(container["envFrom"])}]}
