"""What no schema says of how documents refer to each other. A check returns a line for each thing that is wrong."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.deploy.reading import NAME, Pod, config_of, named, of_kind, pods_of, selected, selects
from tests.deploy.rendering import Document

_SECRET = "ringback"
# Of no namespace.
_CLUSTER_WIDE = ("Namespace",)
_WORKLOADS_WITH_A_NUMBER = ("Deployment", "StatefulSet")


def selectors(documents: list[Document]) -> Iterator[str]:
    """Every selector selects pods: those of its own workload, or of any."""
    for pod in pods_of(documents):
        if not selects(pod.owner["spec"]["selector"], pod.labels):
            yield f"{pod.name} does not select its own pods"
        if [other for other in selected(documents, pod.owner["spec"]["selector"]) if other.owner is not pod.owner]:
            yield f"{pod.name} selects another's pods"
        for spread in pod.spec.get("topologySpreadConstraints", ()):
            if not selects(spread["labelSelector"], pod.labels):
                yield f"{pod.name} spreads others than itself"
    for document, selector in _selectors(documents):
        if not selected(documents, selector):
            yield f"{named(document)} selects no pod"


def _selectors(documents: list[Document]) -> Iterator[tuple[Document, Mapping[str, Any]]]:
    for document in of_kind(documents, "Service"):
        yield document, {"matchLabels": document["spec"]["selector"]}
    for document in of_kind(documents, "PodDisruptionBudget"):
        yield document, document["spec"]["selector"]
    for document in of_kind(documents, "NetworkPolicy"):
        yield document, document["spec"]["podSelector"]
        for peer in _peers(document):
            if "podSelector" in peer and "namespaceSelector" not in peer:
                yield document, peer["podSelector"]


def _peers(policy: Document) -> Iterator[dict[str, Any]]:
    for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
        yield from (*rule.get("from", ()), *rule.get("to", ()))


def ports(documents: list[Document]) -> Iterator[str]:
    """Every port that is called by a name has that name on the pods that are meant."""
    for pod in pods_of(documents):
        yield from _probed_ports(pod)
    for service in of_kind(documents, "Service"):
        for pod in selected(documents, {"matchLabels": service["spec"]["selector"]}):
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in pod.ports:
                    yield f"{named(service)}: {pod.name} has no port {port['targetPort']}"
    for policy in of_kind(documents, "NetworkPolicy"):
        reached = {name for pod in selected(documents, policy["spec"]["podSelector"]) for name in pod.ports}
        for rule in policy["spec"].get("ingress", ()):
            wanted = {port["port"] for port in rule.get("ports", ()) if isinstance(port.get("port"), str)}
            yield from (f"{named(policy)}: no pod has a port {name}" for name in sorted(wanted - reached))
    yield from _ways_in(documents)


def _probed_ports(pod: Pod) -> Iterator[str]:
    for container in pod.containers:
        names = {port["name"] for port in container.get("ports", ())}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            for way in ("httpGet", "tcpSocket"):
                port = container.get(probe, {}).get(way, {}).get("port")
                if port is not None and port not in names:
                    yield f"{pod.name}: {probe} asks at no port of its own, {port}"


def _ways_in(documents: list[Document]) -> Iterator[str]:
    services = {
        one["metadata"]["name"]: {port["name"] for port in one["spec"]["ports"]}
        for one in of_kind(documents, "Service")
    }
    for ingress in of_kind(documents, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                if backend["port"].get("name") not in services.get(backend["name"], ()):
                    yield f"{named(ingress)}: {path['path']} leads nowhere"


def references(documents: list[Document]) -> Iterator[str]:
    """Whatever is called by its name is there; but for the one Secret, which the operator makes."""
    accounts = {one["metadata"]["name"] for one in of_kind(documents, "ServiceAccount")}
    for pod in pods_of(documents):
        if pod.spec.get("serviceAccountName") not in accounts:
            yield f"{pod.name} has no account of its own"
        for container in pod.containers:
            for source in container.get("envFrom", ()):
                if not config_of(documents, source["configMapRef"]["name"]):
                    yield f"{pod.name}: no {source}"
            for variable in container.get("env", ()):
                if variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name", _SECRET) != _SECRET:
                    yield f"{pod.name}: {variable['name']} is of another Secret"


def targets(documents: list[Document]) -> Iterator[str]:
    """Every autoscaler scales something, each of them alone, and none whose number is written down."""
    workloads = {(one["kind"], one["metadata"]["name"]): one for one in of_kind(documents, *_WORKLOADS_WITH_A_NUMBER)}
    scaled: Counter[tuple[str, str]] = Counter()
    for scaler in of_kind(documents, "HorizontalPodAutoscaler", "ScaledObject"):
        reference = scaler["spec"]["scaleTargetRef"]
        target = (reference.get("kind", "Deployment"), reference["name"])
        scaled[target] += 1
        if target not in workloads:
            yield f"{named(scaler)} scales nothing"
        elif "replicas" in workloads[target]["spec"]:
            yield f"{named(scaler)} and the number in {reference['name']} are at odds"
    yield from (f"{name} is scaled by {count}" for (_, name), count in scaled.items() if count > 1)


def scrapes(documents: list[Document]) -> Iterator[str]:
    """Every ServiceMonitor finds a Service with the port that it asks for."""
    for monitor in of_kind(documents, "ServiceMonitor"):
        found = [
            one
            for one in of_kind(documents, "Service")
            if selects(monitor["spec"]["selector"], one["metadata"]["labels"])
        ]
        for endpoint in monitor["spec"]["endpoints"]:
            if not any(port["name"] == endpoint["port"] for one in found for port in one["spec"]["ports"]):
                yield f"{named(monitor)} finds no port {endpoint['port']}"


def disruptions(documents: list[Document]) -> Iterator[str]:
    """Of what runs more than once one may go at a time, in a rollout none; nothing holds up a node for ever."""
    budgets = of_kind(documents, "PodDisruptionBudget")
    for pod in pods_of(documents):
        if pod.component not in {"api", "poll", "deliver"}:
            continue
        mine = [one["spec"] for one in budgets if selects(one["spec"]["selector"], pod.labels)]
        if [one.get("maxUnavailable") for one in mine] != [1]:
            yield f"{pod.name} has no budget of its own"
        elif mine[0].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{pod.name} holds up nodes while Redis is away"
        if pod.owner["spec"].get("replicas", 2) < 2:
            yield f"{pod.name} runs once"
        if pod.owner["spec"].get("strategy", {}).get("rollingUpdate") != {"maxUnavailable": 0, "maxSurge": 1}:
            yield f"{pod.name} has fewer pods in a rollout"


def names(documents: list[Document]) -> Iterator[str]:
    """Everything is ours by its label, and in one namespace."""
    spaces = {one["metadata"].get("namespace") for one in documents if one["kind"] not in _CLUSTER_WIDE}
    if len(spaces) > 1:
        yield f"in more than one namespace: {spaces}"
    for document in documents:
        if document["kind"] != "ConfigMap" and document["metadata"].get("labels", {}).get(NAME) != "ringback":
            yield f"{named(document)} is not labelled as ours"
