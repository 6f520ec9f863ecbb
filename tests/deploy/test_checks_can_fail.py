"""Each check of the manifests finds what it is there for: one thing is spoilt, and told."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy.checks_of_shapes import VERSIONS, shapes
from tests.deploy.reading import COMPONENT, pod_of, the
from tests.deploy.rendering import BASE, Document
from tests.deploy.test_manifests import CHECKS, rendered

Spoil = Callable[[list[Document]], None]


def _pod(role: str, change: Callable[[dict[str, Any]], object]) -> Spoil:
    """Change the specification of a role's pod."""
    return lambda documents: _done(change(pod_of(documents, role).spec))


def _container(role: str, change: Callable[[dict[str, Any]], object]) -> Spoil:
    return _pod(role, lambda spec: change(spec["containers"][0]))


def _one(kind: str, name: str, change: Callable[[Document], object]) -> Spoil:
    return lambda documents: _done(change(the(documents, kind, name)))


def _without(kind: str, name: str) -> Spoil:
    return lambda documents: documents.remove(the(documents, kind, name))


def _setting(name: str, value: str) -> Spoil:
    return _one("ConfigMap", "ringback", lambda document: document["data"].update({name: value}))


def _done(_: object) -> None:
    pass


def _variable(name: str, key: str = "") -> dict[str, Any]:
    reference = {"valueFrom": {"secretKeyRef": {"name": "ringback", "key": key}}}
    return {"name": name, **(reference if key else {"value": "x"})}


def _exceptions(documents: list[Document], policy: str) -> list[str]:
    found: list[str] = the(documents, "NetworkPolicy", policy)["spec"]["egress"][0]["to"][0]["ipBlock"]["except"]
    return found


_ROOT = {"name": "first", "image": "ringback:0.1.0", "securityContext": {"runAsUser": 0}}
_INSIDE = {"to": [{"namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": 443}]}
_UNTAGGED = "registry.example.com:5000/ringback"

_MONITOR = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "ServiceMonitor",
    "metadata": {"name": "ringback-api"},
    "spec": {"selector": {"matchLabels": {COMPONENT: "api"}}, "endpoints": [{"port": "probes"}]},
}
_RULES = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PrometheusRule",
    "metadata": {"name": "ringback"},
    "spec": {"groups": [{"name": "ringback", "rules": [{"alert": "Late"}]}]},
}

IN_BASE: list[tuple[str, str, Spoil]] = [
    ("environment_names", "RINGBACK_LOGLEVEL", _setting("RINGBACK_LOGLEVEL", "INFO")),
    (
        "environment_names",
        "BIND_HOTS",
        _container("api", lambda one: one["env"].append(_variable("RINGBACK_BIND_HOTS"))),
    ),
    ("secrets", "RINGBACK_REDIS_URL", _setting("RINGBACK_REDIS_URL", "redis://redis:6379")),
    ("secrets", "tells", _setting("RINGBACK_UPSTREAM_BASE_URL", "https://me:hush@api.example.com")),
    ("secrets", "checked in", lambda documents: documents.append({"kind": "Secret", "metadata": {"name": "x"}})),
    ("secrets", "belongs", _container("poll", lambda one: one["env"].append(_variable("RINGBACK_ENCRYPTION_KEYS")))),
    (
        "secrets",
        "comes from",
        _container("poll", lambda one: one["env"][0].update(_variable("RINGBACK_REDIS_URL", "X"))),
    ),
    (
        "secrets",
        "admin key",
        _container("deliver", lambda one: one["env"].append(_variable("RINGBACK_ADMIN_KEY", "RINGBACK_ADMIN_KEY"))),
    ),
    ("restrictions", "enableServiceLinks", _pod("poll", lambda spec: spec.pop("enableServiceLinks"))),
    ("restrictions", "root's", _pod("api", lambda spec: spec["securityContext"].pop("runAsUser"))),
    ("restrictions", "root's", _pod("api", lambda spec: spec.update(initContainers=[_ROOT]))),
    ("restrictions", "capabilities", _container("api", lambda one: one["securityContext"].pop("capabilities"))),
    ("restrictions", "namespaces", _pod("api", lambda spec: spec.update(hostNetwork=True))),
    (
        "restrictions",
        "folder",
        _pod("api", lambda spec: spec.update(volumes=[{"name": "x", "hostPath": {"path": "/"}}])),
    ),
    ("images", "another one", _container("api", lambda one: one.update(image="ringback:latest"))),
    ("images", "another one", _container("api", lambda one: one.update(image=_UNTAGGED))),
    ("resources", "requests", _container("api", lambda one: one["resources"]["requests"].pop("memory"))),
    ("resources", "limits", _container("api", lambda one: one["resources"]["limits"].update(cpu="1"))),
    ("grace", "poll", _setting("RINGBACK_UPSTREAM_TIMEOUT_SECONDS", "20")),
    ("grace", "deliver", _setting("RINGBACK_DELIVERY_TIMEOUT_SECONDS", "40")),
    ("grace", "api", _container("api", lambda one: one["lifecycle"]["preStop"]["sleep"].update(seconds=20))),
    ("liveness", "gone only", _container("deliver", lambda one: one["livenessProbe"].update(failureThreshold=3))),
    (
        "liveness",
        "gone only 73",
        _container("deliver", lambda one: one["livenessProbe"].pop("terminationGracePeriodSeconds")),
    ),
    ("liveness", "lacks", _container("poll", lambda one: one.pop("startupProbe"))),
    ("liveness", "Redis", _container("poll", lambda one: one["livenessProbe"]["httpGet"].update(path="/readyz"))),
    ("selectors", "own pods", lambda documents: pod_of(documents, "api").owner["spec"]["template"].update(metadata={})),
    ("selectors", "selects no pod", _one("Service", "ringback-api", lambda one: one["spec"]["selector"].update(x="y"))),
    (
        "selectors",
        "selects no pod",
        _one(
            "NetworkPolicy",
            "ringback-receivers",
            lambda one: one["spec"].update(podSelector={"matchLabels": {"x": ""}}),
        ),
    ),
    ("selectors", "another's", _one("Deployment", "ringback-poll", lambda one: one["spec"].update(selector={}))),
    ("listening", "8000", _container("api", lambda one: one["ports"][0].update(containerPort=8001))),
    ("listening", "9090", _setting("RINGBACK_WORKER_PORT", "9090")),
    ("listening", "127.0.0.1", _setting("RINGBACK_WORKER_HOST", "127.0.0.1")),
    ("ports", "startupProbe", _container("poll", lambda one: one["ports"][0].update(name="metrics"))),
    ("ports", "no port", _one("Service", "ringback-poll", lambda one: one["spec"]["ports"][0].update(targetPort=8081))),
    (
        "ports",
        "no pod has",
        _one("NetworkPolicy", "ringback-callers", lambda one: one["spec"]["ingress"][0]["ports"][0].update(port="www")),
    ),
    ("references", "account", _without("ServiceAccount", "ringback")),
    ("references", "no {", _without("ConfigMap", "ringback")),
    (
        "references",
        "another Secret",
        _container("poll", lambda one: one["env"][0]["valueFrom"]["secretKeyRef"].update(name="x")),
    ),
    ("disruptions", "budget", _without("PodDisruptionBudget", "ringback-api")),
    (
        "disruptions",
        "while Redis is away",
        _one("PodDisruptionBudget", "ringback-api", lambda one: one["spec"].pop("unhealthyPodEvictionPolicy")),
    ),
    ("disruptions", "runs once", _one("Deployment", "ringback-poll", lambda one: one["spec"].update(replicas=1))),
    ("disruptions", "rollout", _one("Deployment", "ringback-poll", lambda one: one["spec"].pop("strategy"))),
    ("names", "labelled", _one("Service", "ringback-poll", lambda one: one["metadata"].pop("labels"))),
    ("names", "one namespace", _one("Service", "ringback-poll", lambda one: one["metadata"].update(namespace="x"))),
    ("walls", "open", _without("NetworkPolicy", "ringback-nothing-else")),
    (
        "walls",
        "not about",
        _one("NetworkPolicy", "ringback-upstream", lambda one: one["spec"].update(policyTypes=["Ingress"])),
    ),
    ("internet", "private", lambda documents: _exceptions(documents, "ringback-receivers").remove("10.0.0.0/8")),
    (
        "internet",
        "internet at [443, 8443]",
        _one("NetworkPolicy", "ringback-receivers", lambda one: _open_to(one, "poll")),
    ),
    ("internet", "internet at []", _without("NetworkPolicy", "ringback-receivers")),
    ("inside", "443", _one("NetworkPolicy", "ringback-receivers", lambda one: one["spec"]["egress"].append(_INSIDE))),
    ("scrapes", "no port probes", lambda documents: documents.append(_MONITOR)),
    ("callers", "monitoring", _without("NetworkPolicy", "ringback-callers")),
]

IN_PRODUCTION: list[tuple[str, str, Spoil]] = [
    (
        "targets",
        "scales nothing",
        _one("HorizontalPodAutoscaler", "ringback-api", lambda one: one["spec"]["scaleTargetRef"].update(name="x")),
    ),
    ("targets", "odds", _one("Deployment", "ringback-api", lambda one: one["spec"].update(replicas=2))),
    ("targets", "scaled by 2", lambda documents: documents.append(the(documents, "ScaledObject", "ringback-poll"))),
    ("names_and_redis", "Redis", _without("NetworkPolicy", "ringback-redis")),
    ("names_and_redis", "names", _without("NetworkPolicy", "ringback-names")),
    ("ports", "nowhere", _without("Service", "ringback-api")),
]

SHAPES: list[tuple[str, Spoil]] = [
    ("replica", _one("Deployment", "ringback-api", lambda one: one["spec"].update(replica=2))),
    ("'port' is a required", _container("api", lambda one: one["livenessProbe"].update(httpGet={"path": "/"}))),
    ("names no port", lambda documents: documents.append({**_MONITOR, "spec": {"endpoints": []}})),
    ("rule that is none", lambda documents: documents.append(_RULES)),
    ("no kind", lambda documents: documents.append({**_MONITOR, "kind": "Monitor"})),
    ("schema", _one("Deployment", "ringback-api", lambda one: one.update(apiVersion="apps/v1beta1"))),
]
SHAPES_IN_PRODUCTION: list[tuple[str, Spoil]] = [
    ("no room", _one("ScaledObject", "ringback-poll", lambda one: one["spec"].update(maxReplicaCount=1))),
    ("metadata", _one("ScaledObject", "ringback-poll", lambda one: _first_trigger(one).pop("query"))),
    ("strings", _one("ScaledObject", "ringback-poll", lambda one: _first_trigger(one).update(threshold=2))),
    ("namespace", _one("ScaledObject", "ringback-poll", lambda one: one["metadata"].update(namespace="x"))),
    ("says replicas", _one("ScaledObject", "ringback-poll", lambda one: one["spec"].update(replicas=2))),
    ("lacks RINGBACK_", _one("ExternalSecret", "ringback", lambda one: one["spec"]["data"].pop())),
    ("another", _one("ExternalSecret", "ringback", lambda one: one["spec"]["target"].update(name="x"))),
]


def _open_to(policy: Document, role: str) -> None:
    policy["spec"]["podSelector"]["matchExpressions"][0]["values"].append(role)


def _first_trigger(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = document["spec"]["triggers"][0]["metadata"]
    return found


def _numbered(cases: list[Any]) -> list[str]:
    return [f"{number}-{case[0]}" for number, case in enumerate(cases)]


@pytest.mark.parametrize(("check", "told", "spoil"), IN_BASE, ids=_numbered(IN_BASE))
def test_what_is_wrong_in_the_base_is_told(check: str, told: str, spoil: Spoil) -> None:
    _expect(check, told, spoil, BASE)


@pytest.mark.parametrize(("check", "told", "spoil"), IN_PRODUCTION, ids=_numbered(IN_PRODUCTION))
def test_what_is_wrong_in_production_is_told(check: str, told: str, spoil: Spoil) -> None:
    _expect(check, told, spoil, "production+keda+external-secrets+ingress+redis-tls+tracing")


def _expect(check: str, told: str, spoil: Spoil, variant: str) -> None:
    documents = rendered(variant)
    assert not [line for line in CHECKS[check](documents) if told in line]
    spoil(documents)
    assert [line for line in CHECKS[check](documents) if told in line]


@pytest.mark.parametrize(("told", "spoil"), SHAPES, ids=_numbered(SHAPES))
def test_what_kubernetes_would_not_take_is_told(told: str, spoil: Spoil) -> None:
    documents = rendered(BASE)
    spoil(documents)
    assert all(any(told in line for line in shapes(documents, version)) for version in VERSIONS)


@pytest.mark.parametrize(("told", "spoil"), SHAPES_IN_PRODUCTION, ids=_numbered(SHAPES_IN_PRODUCTION))
def test_what_an_operator_would_not_take_is_told(told: str, spoil: Spoil) -> None:
    documents = rendered("production+keda+external-secrets+ingress+redis-tls+tracing")
    spoil(documents)
    assert any(told in line for line in shapes(documents, VERSIONS[0]))


def test_every_check_is_among_them() -> None:
    assert {case[0] for case in [*IN_BASE, *IN_PRODUCTION]} == CHECKS.keys()
