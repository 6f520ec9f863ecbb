"""Finding one's way in manifests: pods, their containers, their environment, and what a selector selects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from tests.deploy.rendering import Document

NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
ROLES = ("api", "poll", "deliver")
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")


@dataclass(frozen=True, slots=True)
class Pod:
    """What a workload makes its pods of."""

    owner: Document
    labels: Mapping[str, str]
    spec: dict[str, Any]

    @property
    def name(self) -> str:
        return named(self.owner)

    @property
    def component(self) -> str:
        return self.labels.get(COMPONENT, "")

    @property
    def containers(self) -> list[dict[str, Any]]:
        """All of them: also those that run before the others."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for one in self.containers for port in one.get("ports", ())}


def named(document: Document) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


def of_kind(documents: list[Document], *kinds: str) -> list[Document]:
    return [one for one in documents if one["kind"] in kinds]


def the(documents: list[Document], kind: str, name: str) -> Document:
    (found,) = (one for one in of_kind(documents, kind) if one["metadata"]["name"] == name)
    return found


def pods_of(documents: list[Document]) -> list[Pod]:
    return [
        Pod(one, one["spec"]["template"]["metadata"].get("labels", {}), one["spec"]["template"]["spec"])
        for one in of_kind(documents, *_WORKLOADS)
    ]


def pod_of(documents: list[Document], role: str) -> Pod:
    """The pod of a role, whose only container it is."""
    (pod,) = (one for one in pods_of(documents) if one.component == role)
    return pod


def config_of(documents: list[Document], name: str) -> dict[str, str]:
    """The data of a ConfigMap; empty if there is none of that name."""
    return next(
        (dict(one.get("data", {})) for one in of_kind(documents, "ConfigMap") if one["metadata"]["name"] == name), {}
    )


def environment_of(documents: list[Document], pod: Pod, secrets: Mapping[str, str]) -> dict[str, str]:
    """The variables of a pod's first container; of the Secret's keys those that `secrets` has."""
    container = pod.spec["containers"][0]
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            found |= config_of(documents, source["configMapRef"]["name"])
    for variable in container.get("env", ()):
        key = secret_key(variable)
        if key is None:
            found[variable["name"]] = variable["value"]
        elif key in secrets:
            found[variable["name"]] = secrets[key]
    return found


def secret_key(variable: Mapping[str, Any]) -> str | None:
    """The key of the Secret that a variable comes from, if it comes from one."""
    reference = variable.get("valueFrom", {}).get("secretKeyRef")
    return str(reference["key"]) if reference else None


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector selects what has these labels; the operators that are used here."""
    wanted = selector.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(
        {"In": labels.get(one["key"]) in one.get("values", ()), "Exists": one["key"] in labels}[one["operator"]]
        for one in selector.get("matchExpressions", ())
    )


def selected(documents: list[Document], selector: Mapping[str, Any]) -> list[Pod]:
    return [pod for pod in pods_of(documents) if selects(selector, pod.labels)]


def probes_of(pod: Pod) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each probe that asks over HTTP, with its name."""
    for container in pod.containers:
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            if "httpGet" in container.get(name, {}):
                yield name, container[name]


def read_by_commands(command: click.Command) -> Iterator[str]:
    """The variables that a command and those below it take for their options."""
    for parameter in command.params:
        if isinstance(parameter.envvar, str):
            yield parameter.envvar
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from read_by_commands(one)
