"""What no schema says of the walls between pods. A check returns a line for each thing that is wrong."""

from collections.abc import Iterator
from typing import Any

from app.domain.public_address import _GLOBAL_UNICAST, _SPECIAL_IPV4, _SPECIAL_IPV6
from app.settings import Settings
from tests.deploy.reading import ROLES, Pod, named, of_kind, pods_of, selects
from tests.deploy.rendering import Document

_EVERYWHERE = {
    "0.0.0.0/0": {str(block) for block in _SPECIAL_IPV4},
    str(_GLOBAL_UNICAST): {str(block) for block in _SPECIAL_IPV6},
}
_REDIS_PORTS = {6379, 26379}
_NAMES = {53}
_COLLECTOR = {4318}
_CALLBACKS = {int(port) for port in Settings.model_fields["callback_ports"].default}
_UPSTREAM = {443}
# Which ports of the internet each may reach at most. The API's are those of its pings, where it is let out at all.
_MOST = {"api": _CALLBACKS, "poll": _UPSTREAM, "deliver": _CALLBACKS}
_LEAST: dict[str, set[int]] = {"api": set(), "poll": _UPSTREAM, "deliver": _CALLBACKS}


def walls(documents: list[Document]) -> Iterator[str]:
    """Every pod is closed in both directions before anything is opened."""
    closing = [one["spec"] for one in of_kind(documents, "NetworkPolicy") if _closes(one["spec"])]
    for pod in pods_of(documents):
        if not any(selects(one["podSelector"], pod.labels) for one in closing):
            yield f"{pod.name} is open by default"
    for policy in of_kind(documents, "NetworkPolicy"):
        if "Egress" not in policy["spec"]["policyTypes"] and "egress" in policy["spec"]:
            yield f"{named(policy)} opens what it is not about"


def _closes(spec: dict[str, Any]) -> bool:
    return set(spec["policyTypes"]) == {"Ingress", "Egress"} and not spec.get("ingress") and not spec.get("egress")


def internet(documents: list[Document]) -> Iterator[str]:
    """Deliver reaches receivers, poll the platform; and what is dialled nowhere in the code is walled off as well."""
    for pod in pods_of(documents):
        if pod.component not in ROLES:
            continue
        for block in (block for rule in _egress(documents, pod) for block in _blocks(rule)):
            if set(block.get("except", ())) != _EVERYWHERE.get(block["cidr"], set()):
                yield f"{pod.name} reaches private addresses of {block['cidr']}"
        reached = internet_ports(documents, pod)
        if not _LEAST[pod.component] <= reached <= _MOST[pod.component]:
            yield f"{pod.name} reaches the internet at {sorted(reached)}"


def internet_ports(documents: list[Document], pod: Pod) -> set[int]:
    """The ports at which a pod may reach the internet."""
    rules = [rule for rule in _egress(documents, pod) if any(block["cidr"] in _EVERYWHERE for block in _blocks(rule))]
    return {port for rule in rules for port in _ports(rule)}


def inside(documents: list[Document]) -> Iterator[str]:
    """Into the cluster lead names, Redis and traces alone; in the namespace of the development overlay, everything."""
    for pod in pods_of(documents):
        for rule in _egress(documents, pod):
            own = all("podSelector" in peer and "namespaceSelector" not in peer for peer in rule["to"])
            outside = all(peer.get("ipBlock", {}).get("cidr") in _EVERYWHERE for peer in rule["to"])
            if not own and not outside and not _ports(rule) <= _REDIS_PORTS | _NAMES | _COLLECTOR:
                yield f"{pod.name} reaches the inside at {sorted(_ports(rule))}"


def names_and_redis(documents: list[Document]) -> Iterator[str]:
    """Each role may look up names and reach Redis, or it would start and never be ready."""
    for pod in pods_of(documents):
        if pod.component not in ROLES:
            continue
        rules = list(_egress(documents, pod))
        if not any(_ports(rule) >= _NAMES for rule in rules):
            yield f"{pod.name} may not look up names"
        if not any(_leads_to_redis(documents, rule) for rule in rules):
            yield f"{pod.name} may not reach Redis"


def _leads_to_redis(documents: list[Document], rule: dict[str, Any]) -> bool:
    redis = [pod for pod in pods_of(documents) if pod.component == "redis"]
    for peer in rule["to"]:
        if "ipBlock" in peer and peer["ipBlock"]["cidr"] not in _EVERYWHERE and _ports(rule) & _REDIS_PORTS:
            return True
        if "podSelector" in peer and any(selects(peer["podSelector"], pod.labels) for pod in redis):
            return True
    return False


def callers(documents: list[Document]) -> Iterator[str]:
    """Callers reach the API, and Prometheus all three."""
    for pod in pods_of(documents):
        if pod.component not in ROLES:
            continue
        rules = [
            rule
            for policy in of_kind(documents, "NetworkPolicy")
            if selects(policy["spec"]["podSelector"], pod.labels)
            for rule in policy["spec"].get("ingress", ())
        ]
        spaces = {
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for rule in rules
            for peer in rule["from"]
            if "namespaceSelector" in peer and {port["port"] for port in rule["ports"]} & pod.ports.keys()
        }
        wanted = {"monitoring", "ingress-nginx"} if pod.component == "api" else {"monitoring"}
        if spaces != wanted:
            yield f"{pod.name} is called from {sorted(spaces)}"


def _egress(documents: list[Document], pod: Pod) -> Iterator[dict[str, Any]]:
    for policy in of_kind(documents, "NetworkPolicy"):
        if selects(policy["spec"]["podSelector"], pod.labels):
            yield from policy["spec"].get("egress", ())


def _blocks(rule: dict[str, Any]) -> list[dict[str, Any]]:
    return [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]


def _ports(rule: dict[str, Any]) -> set[int]:
    """All of them where none is named."""
    return {port["port"] for port in rule.get("ports", ())} or set(range(65536))
