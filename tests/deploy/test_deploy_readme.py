"""deploy/README.md names what there is."""

import re

from app.settings import PREFIX
from tests.deploy.checks_of_pods import NAMES
from tests.deploy.checks_of_shapes import VERSIONS
from tests.deploy.rendering import BASE, documents_of
from tests.processes import ROOT

TEXT = (ROOT / "deploy" / "README.md").read_text()


def test_every_path_and_policy_is_there() -> None:
    paths = set(re.findall(r"(?:deploy/)?(kubernetes/[\w./-]+\w)", TEXT))
    assert {"kubernetes/overlays/dev/namespace.yaml", "kubernetes/base/settings.env"} <= paths
    assert not [path for path in sorted(paths) if not (ROOT / "deploy" / path).exists()]
    policies = {one["metadata"]["name"] for one in documents_of(BASE) if one["kind"] == "NetworkPolicy"}
    assert set(re.findall(r"polic(?:y|ies) `([\w-]+)`", TEXT)) <= policies


def test_every_setting_is_one() -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", TEXT))
    assert named
    assert named <= NAMES


def test_the_smallest_version_is_the_one_that_is_validated() -> None:
    assert f"Kubernetes {VERSIONS[0]} or newer" in TEXT
