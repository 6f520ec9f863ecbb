"""What no schema says of pods. A check returns a line for each thing that is wrong."""

import re
from collections.abc import Iterator
from typing import Any

from app.cli import main
from app.cli.serving import _API_STOP_SECONDS
from app.cli.settings import is_secret, variable
from app.settings import PREFIX, Settings
from tests.deploy.reading import (
    ROLES,
    Pod,
    config_of,
    environment_of,
    named,
    of_kind,
    pod_of,
    pods_of,
    probes_of,
    read_by_commands,
    secret_key,
)
from tests.deploy.rendering import Document
from workers import deliver, poll
from workers.runtime import grace_seconds

# When a worker's /healthz tells of a standstill, and when the worker must be gone.
_TOLD_AFTER_SECONDS = 15
_DEAD_AFTER_SECONDS = 30
# What the end of a process takes beside its drain.
_ENDING_SECONDS = 3
_IMAGE = re.compile(
    r"(?P<name>[a-z0-9./_-]+(?::[0-9]+/[a-z0-9./_-]+)?)(?::(?P<tag>[\w.-]+))?(?P<digest>@sha256:\w{64})?"
)
_SECRET_KEYS = {variable(name, field) for name, field in Settings.model_fields.items() if is_secret(field)}
# Whatever a pod may be told. The last one is read by what sends the traces.
NAMES = {
    *(variable(name, field) for name, field in Settings.model_fields.items()),
    *read_by_commands(main),
    "OTEL_EXPORTER_OTLP_ENDPOINT",
}


def environment_names(documents: list[Document]) -> Iterator[str]:
    """Every variable is a setting, or read by a command: a name with a typing error would change nothing."""
    for pod in pods_of(documents):
        for container in pod.containers:
            names = {told["name"] for told in container.get("env", ())}
            for source in container.get("envFrom", ()):
                names |= config_of(documents, source["configMapRef"]["name"]).keys()
            yield from (f"{pod.name}: nothing reads {name}" for name in sorted(names - NAMES))


def secrets(documents: list[Document]) -> Iterator[str]:
    """What is secret comes from the Secret, which is none of these documents; and the admin key to the API alone."""
    for document in of_kind(documents, "Secret"):
        yield f"{named(document)} is checked in"
    for document in of_kind(documents, "ConfigMap"):
        for name, value in document.get("data", {}).items():
            if name in _SECRET_KEYS or re.search(r"://[^/\s]*:[^/\s]*@|whsec_|rbk_|PRIVATE KEY", value):
                yield f"{named(document)} tells {name}"
    for pod in pods_of(documents):
        for told in (one for container in pod.containers for one in container.get("env", ())):
            key = secret_key(told)
            if told["name"] in _SECRET_KEYS and key is None:
                yield f"{pod.name}: {told['name']} is not where it belongs"
            if key not in {None, told["name"]}:
                yield f"{pod.name}: {told['name']} comes from {key}"
            if key == f"{PREFIX}ADMIN_KEY" and pod.component != "api":
                yield f"{pod.name} has the admin key"


def restrictions(documents: list[Document]) -> Iterator[str]:
    """Kubernetes' restricted Pod Security Standard, and a root that cannot be written."""
    for pod in pods_of(documents):
        wanted: dict[str, Any] = {"automountServiceAccountToken": False, "enableServiceLinks": False}
        found = pod.spec
        yield from (f"{pod.name}: {name} is not {value}" for name, value in wanted.items() if found.get(name) != value)
        if any(found.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{pod.name} shares the node's namespaces"
        if any({"hostPath"} & volume.keys() for volume in found.get("volumes", ())):
            yield f"{pod.name} mounts a folder of the node"
        for container in pod.containers:
            yield from _unrestricted(pod, container)


def _unrestricted(pod: Pod, container: dict[str, Any]) -> Iterator[str]:
    context = {**pod.spec.get("securityContext", {}), **container.get("securityContext", {})}
    if not (context.get("runAsUser") and context.get("runAsGroup")):
        yield f"{pod.name}: a number of the user and the group is missing, or root's"
    for name, value in {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"]},
    }.items():
        if context.get(name) != value:
            yield f"{pod.name}: {name} is not {value}"


def images(documents: list[Document]) -> Iterator[str]:
    """An image is named with a tag or a digest, so that it is the same one tomorrow."""
    for pod in pods_of(documents):
        for container in pod.containers:
            found = _IMAGE.fullmatch(container["image"])
            if not found or found["tag"] == "latest" or not (found["tag"] or found["digest"]):
                yield f"{pod.name}: {container['image']} may be another one tomorrow"


def resources(documents: list[Document]) -> Iterator[str]:
    """The scheduler knows what each container wants, and memory has an end; the CPU has none."""
    for pod in pods_of(documents):
        for container in pod.containers:
            found = container.get("resources", {})
            if not {"cpu", "memory"} <= found.get("requests", {}).keys():
                yield f"{pod.name}: no requests"
            if found.get("limits", {}).keys() != {"memory"}:
                yield f"{pod.name}: limits are not of memory alone"


def grace(documents: list[Document]) -> Iterator[str]:
    """A pod is given longer than its process takes to end with these settings."""
    for role in ROLES:
        pod = pod_of(documents, role)
        given, needed = pod.spec.get("terminationGracePeriodSeconds", 30), _ending_seconds(documents, role)
        if given <= needed:
            yield f"{pod.name} is given {given} s to end, and may take {needed:g} s"


def _ending_seconds(documents: list[Document], role: str) -> float:
    pod = pod_of(documents, role)
    told = {name.lower(): value for name, value in environment_of(documents, pod, {}).items()}
    settings = Settings.model_validate({name.removeprefix(PREFIX.lower()): value for name, value in told.items()})
    pause = pod.spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if role == "api":
        return float(pause + _API_STOP_SECONDS + _ENDING_SECONDS)
    return float(pause + grace_seconds((poll if role == "poll" else deliver).KIND, settings))


def listening(documents: list[Document]) -> Iterator[str]:
    """A process listens where the probes and Services look for it, and not for itself alone."""
    for role in ROLES:
        pod = pod_of(documents, role)
        told = environment_of(documents, pod, {})
        kind = "BIND" if role == "api" else "WORKER"
        host, port = told.get(f"{PREFIX}{kind}_HOST"), told.get(f"{PREFIX}{kind}_PORT")
        if host not in {"0.0.0.0", "::"}:  # noqa: S104 -- in a pod
            yield f"{pod.name} listens at {host}"
        if port not in {str(number) for number in pod.ports.values()}:
            yield f"{pod.name} listens at {port}, and its ports are {pod.ports}"


def liveness(documents: list[Document]) -> Iterator[str]:
    """A worker that stands still is gone within half a minute."""
    for role in ROLES:
        pod = pod_of(documents, role)
        found = dict(probes_of(pod))
        if found.keys() != {"startupProbe", "readinessProbe", "livenessProbe"}:
            yield f"{pod.name} lacks a probe"
        elif found["livenessProbe"]["httpGet"]["path"] == found["readinessProbe"]["httpGet"]["path"]:
            yield f"{pod.name} is killed when Redis is away"
        elif (seconds := _until_gone(pod, found["livenessProbe"])) > _DEAD_AFTER_SECONDS:
            yield f"{pod.name} is gone only {seconds} s after it stands still"


def _until_gone(pod: Pod, probe: dict[str, Any]) -> int:
    told = 0 if pod.component == "api" else _TOLD_AFTER_SECONDS
    asked = int(probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3) + probe.get("timeoutSeconds", 1))
    # The kubelet grants two seconds whatever is said.
    return told + asked + max(2, int({**pod.spec, **probe}["terminationGracePeriodSeconds"]))
