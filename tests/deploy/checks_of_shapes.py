"""Whether Kubernetes would take the documents: its own schemas, and by hand what others have defined."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import kubernetes_validate

from tests.deploy.reading import named
from tests.deploy.rendering import Document

# The smallest that deploy/README.md promises, and the newest whose schemas are here.
VERSIONS = ("1.30", kubernetes_validate.latest_version())


def shapes(documents: list[Document], version: str) -> Iterator[str]:
    for document in documents:
        if document["apiVersion"] in _DEFINED_BY_OTHERS:
            yield from _DEFINED_BY_OTHERS[document["apiVersion"]](document)
        elif problem := _refusal(json.dumps(document), version):
            yield f"{named(document)}: {problem}"


@cache
def _refusal(document: str, version: str) -> str:
    """What Kubernetes says against a document; remembered, since most are in several variants."""
    try:
        kubernetes_validate.validate(json.loads(document), version, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return str(error.message)
    return ""


def _scaled_object(document: Document) -> Iterator[str]:
    spec = document["spec"]
    yield from _unknown(
        document,
        spec,
        {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "advanced", "triggers"},
    )
    if not 0 < spec["minReplicaCount"] < spec["maxReplicaCount"]:
        yield f"{named(document)} has no room"
    for trigger in spec["triggers"]:
        yield from _unknown(document, trigger, {"type", "metricType", "metadata"})
        keys = {"prometheus": {"serverAddress", "query", "threshold", "ignoreNullValues"}, "cpu": {"value"}}
        if trigger["metadata"].keys() != keys.get(trigger["type"]):
            yield f"{named(document)}: {trigger['type']} wants other metadata"
        if not all(isinstance(value, str) for value in trigger["metadata"].values()):
            yield f"{named(document)}: KEDA takes strings alone"
        space = f'namespace="{document["metadata"].get("namespace")}"'
        if trigger["type"] == "prometheus" and space not in trigger["metadata"].get("query", ""):
            yield f"{named(document)} asks for another namespace"


def _external_secret(document: Document) -> Iterator[str]:
    spec = document["spec"]
    yield from _unknown(document, spec, {"refreshInterval", "secretStoreRef", "target", "data"})
    if spec["target"]["name"] != "ringback":
        yield f"{named(document)} makes another Secret"
    found = {one["secretKey"] for one in spec["data"] if one["remoteRef"]["key"]}
    missing = {"RINGBACK_ADMIN_KEY", "RINGBACK_ENCRYPTION_KEYS", "RINGBACK_REDIS_URL"} - found
    yield from (f"{named(document)} lacks {name}" for name in sorted(missing))


def _of_prometheus(document: Document) -> Iterator[str]:
    spec = document["spec"]
    match document["kind"]:
        case "ServiceMonitor":
            yield from _unknown(
                document, spec, {"selector", "endpoints", "jobLabel", "namespaceSelector", "targetLabels"}
            )
            if not spec["endpoints"] or not all("port" in one for one in spec["endpoints"]):
                yield f"{named(document)} names no port"
        case "PrometheusRule":
            yield from _unknown(document, spec, {"groups"})
            rules = [rule for group in spec["groups"] for rule in group["rules"] if group["name"]]
            if not rules or not all("expr" in rule and ("alert" in rule) != ("record" in rule) for rule in rules):
                yield f"{named(document)} has a rule that is none"
        case _:
            yield f"{named(document)} is of no kind that is used here"


def _unknown(document: Document, part: dict[str, Any], known: set[str]) -> Iterator[str]:
    yield from (f"{named(document)} says {name}" for name in sorted(part.keys() - known))


_DEFINED_BY_OTHERS: dict[str, Callable[[Document], Iterator[str]]] = {
    "keda.sh/v1alpha1": _scaled_object,
    "external-secrets.io/v1": _external_secret,
    "monitoring.coreos.com/v1": _of_prometheus,
}
