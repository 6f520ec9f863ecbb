"""Every setting, from the environment (prefix `RINGBACK_`): what it is for and why its default is that.

Nonsense is refused at boot, in one line that names the setting.
"""

import base64
import binascii
import os
import ssl
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.addresses import (
    MAX_PORT,
    can_trace,
    check_collector,
    check_origins,
    check_proxy,
    check_upstream,
    passwords_in,
)
from app.redis.urls import ClusterRedis, parse_redis_url

PREFIX = "RINGBACK_"
OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_OTLP_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
ENCRYPTION_KEY_BYTES = 32
# Two characters of base 32 carry the partition in every id.
MAX_PARTITIONS = 1024
# A poll in a quarter of an hour, and more than any worker can make.
_LEAST_RPS = 0.001
_MOST_RPS = 1_000_000

# A year is longer than anything here is meant to last, and short enough to count with.
# What was read is shown for twice as long (app/telemetry/metrics.py).
MOST_VITAL_SIGNS_SECONDS = 20.0
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
Texts = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The settings of a process. Durations are seconds and may be fractions."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False)
    """The ledger: one Redis, a service behind Sentinel or a cluster (see `app.redis.urls`), each with AOF and
    `maxmemory-policy noeviction`. May carry a password."""
    queue_redis_url: str = Field("", repr=False)
    """arq's Redis; empty means the same one. Its keys cannot be sharded, so a cluster needs another one here."""
    upstream_base_url: Annotated[str, AfterValidator(check_upstream)] = ""
    """Scheme and host of the vendor's platform, without a path."""
    admin_key: SecretStr = SecretStr("")
    """Bearer key of `/v1/admin`; only the API needs it."""
    encryption_keys: Texts = Field((), repr=False)
    """Keys for what is kept encrypted; the first encrypts, all decrypt, so that keys can be rotated."""

    allow_private_callbacks: bool = False
    """Whether callbacks may go to private addresses. For development: it takes the egress guard down."""
    allow_http_callbacks: bool = False
    """Whether callback URLs may be plain `http`."""
    callback_ports: Texts = ("443", "8443")
    """Ports a callback URL may have; `*` is any. The two on which https is usually served."""
    callback_trust_roots: str = ""
    """A PEM file of certificate authorities that may vouch for receivers beside the public ones; empty is none."""
    egress_proxy_url: Annotated[str, AfterValidator(check_proxy)] = Field("", repr=False)
    """The proxy through which all callbacks go, as in http://proxy:3128; may carry a password. Empty is none."""

    poll_early_seconds: Seconds = 2.0
    """Between polls before the call is answered; the vendor recommends 2-5 s."""
    poll_early_max_seconds: Seconds = 5.0
    """What a long queue grows to."""
    poll_in_progress_seconds: Seconds = 10.0
    """Between polls of an answered call; the vendor recommends 10-30 s."""
    poll_in_progress_max_seconds: Seconds = 30.0
    """What a long conversation grows to."""
    poll_error_max_seconds: Seconds = 60.0
    """What the backoff after errors grows to: news is late by at most this once the upstream is well again."""
    not_found_grace_seconds: float = Field(60.0, ge=0)
    """How long a 404 is borne: a call may be registered before the upstream can tell of it."""
    watch_max_seconds: Seconds = 14400.0
    """How long a call is followed at most: no call lasts four hours."""
    upstream_timeout_seconds: Seconds = 10.0
    """For one whole answer of the upstream; it is also the longest a dead worker's lease outlives a poll."""
    upstream_max_connections: int = Field(300, ge=1)
    """Connections of one poll worker to the upstream, and so its polls under way at once."""
    upstream_max_rps: float = Field(0.0, ge=0, le=_MOST_RPS, allow_inf_nan=False)
    """Polls per second of each credential set (account, project and connector) at most, those of all workers together
    and the mirror's included; may be a fraction. 0 is no bound: the vendor names none."""

    cors_origins: Annotated[Texts, AfterValidator(check_origins)] = ()
    """Origins whose scripts may call the API from a browser, such as https://console.example.com. None by default: an
    API key does not belong into a browser."""
    mirror_read_through: bool = False
    """Whether the mirror asks the upstream about calls that nobody follows. Whoever can reach the mirror can then cause
    requests to the upstream, up to 20 at once for each API process."""

    delivery_timeout_seconds: Seconds = 15.0
    """For one attempt, from connecting to the end of the receiver's answer."""
    delivery_retry_seconds: Annotated[tuple[Seconds, ...], NoDecode] = (
        1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 43200.0,
    )  # fmt: skip
    """The waits between attempts: quick while a restart may explain it, then for most of a day."""
    delivery_max_connections: int = Field(500, ge=1)
    """Attempts of one deliver worker under way at once."""
    delivery_max_per_destination: int = Field(100, ge=1)
    """Of those, how many at one scheme, host and port: a thousand subscribers of one CRM within a second or two."""

    max_streams: int = Field(10_000, ge=1)
    """Streams of events that one API process serves at once, a tenant half of them at most; each takes about 40 kB."""

    retention_seconds: Seconds = 604800.0
    """How long a call and its deliveries are kept after its end: a week, a CRM's longest bad weekend."""
    partitions: int = Field(16, ge=1, le=MAX_PARTITIONS)
    """Into how many parts the calls are split; fixed for the life of an installation."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    worker_host: str = "0.0.0.0"  # noqa: S104 -- a kubelet and Prometheus ask from outside; nothing secret is told
    """The address on which a worker serves /healthz, /readyz and /metrics."""
    worker_port: int = Field(8080, ge=0, le=MAX_PORT)
    """The port for the same; 0 is none at all."""
    vital_signs_seconds: float = Field(10.0, ge=0, le=MOST_VITAL_SIGNS_SECONDS)
    """How often, about, each process reads how the whole installation is doing: it costs Redis a millisecond."""
    otlp_endpoint: Annotated[str, AfterValidator(check_collector)] = Field(
        "", validation_alias=OTLP_ENDPOINT, repr=False
    )
    """Where traces go, by OTLP over HTTP, such as http://collector:4318; empty is none at all. It has the standard's
    own name, since the standard's other variables hold too. May carry a password."""

    @field_validator("encryption_keys", "callback_ports", "cors_origins", "delivery_retry_seconds", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("admin_key")
    @classmethod
    def _check_admin_key(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if text != text.strip() or not text.isprintable():
            raise ValueError(
                "begins or ends with a space, or holds a line break, which no header carries: a Secret made of a file "
                "often has one at its end"
            )
        return key

    @field_validator("encryption_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            try:
                length = len(base64.b64decode(key.encode() + b"=" * (-len(key) % 4), altchars=b"-_", validate=True))
            except (binascii.Error, ValueError):
                length = 0
            if length != ENCRYPTION_KEY_BYTES:
                raise ValueError("each key is 32 bytes in URL-safe base64, separated by commas")
        return keys

    @field_validator("callback_ports")
    @classmethod
    def _check_ports(cls, ports: tuple[str, ...]) -> tuple[str, ...]:
        numbers = [port for port in ports if port != "*"]
        if not ports or not all(port.isascii() and port.isdigit() and 0 < int(port) <= MAX_PORT for port in numbers):
            raise ValueError("is '*' or a comma-separated list of ports from 1 to 65535")
        return ports

    @field_validator("callback_trust_roots")
    @classmethod
    def _check_roots(cls, path: str) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if path:
                context.load_verify_locations(cafile=path)
        except ssl.SSLError:
            pass
        except (OSError, ValueError):
            raise ValueError("names a file that cannot be read") from None
        if path and not context.cert_store_stats()["x509"]:
            raise ValueError("names a file that holds no certificate in PEM")
        return path

    @field_validator("delivery_retry_seconds")
    @classmethod
    def _check_schedule(cls, schedule: tuple[float, ...]) -> tuple[float, ...]:
        if not schedule:
            raise ValueError("needs at least one wait")
        return schedule

    @field_validator("upstream_max_rps")
    @classmethod
    def _check_rate(cls, rate: float) -> float:
        if 0 < rate < _LEAST_RPS:
            raise ValueError(f"is 0, for no bound, or at least {_LEAST_RPS:g}")
        return rate

    @field_validator("redis_url")
    @classmethod
    def _check_redis(cls, url: str) -> str:
        parse_redis_url(url)
        return url

    @field_validator("queue_redis_url")
    @classmethod
    def _check_queue(cls, url: str) -> str:
        if url and isinstance(parse_redis_url(url), ClusterRedis):
            raise ValueError("is a cluster, but the job queue cannot be sharded: name a small Redis of its own")
        return url

    @model_validator(mode="after")
    def _check_queue_apart(self) -> Self:
        if not self.queue_redis_url and isinstance(parse_redis_url(self.redis_url), ClusterRedis):
            raise ValueError(
                f"{PREFIX}QUEUE_REDIS_URL is missing: {PREFIX}REDIS_URL is a cluster, and the job queue cannot be "
                "sharded, so set it to a small Redis of its own"
            )
        return self

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        for low in ("poll_early_seconds", "poll_in_progress_seconds"):
            high = low.replace("_seconds", "_max_seconds")
            if getattr(self, low) > getattr(self, high) and high in self.model_fields_set:
                raise ValueError(f"{PREFIX}{high.upper()} is less than {PREFIX}{low.upper()}")
        return self

    @property
    def queue_url(self) -> str:
        return self.queue_redis_url or self.redis_url

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything here that must never be shown, passwords of addresses included."""
        urls = (self.redis_url, self.queue_redis_url, self.egress_proxy_url, self.otlp_endpoint)
        passwords = (password for url in urls for password in passwords_in(url))
        return (self.admin_key.get_secret_value(), *self.encryption_keys, *passwords)


Role = Literal["api", "poll", "deliver", "tools"]
_REQUIRED: dict[Role, dict[str, str]] = {
    "api": {"admin_key": "a secret of your own", "encryption_keys": "32 random bytes in URL-safe base64"},
    "poll": {
        "upstream_base_url": "the platform's address",
        "encryption_keys": "the same keys that the API has",
    },
    "deliver": {"encryption_keys": "the same keys that the API has"},
    "tools": {"encryption_keys": "the same keys that the API has"},
}


def load_settings(role: Role, **overrides: Any) -> Settings:
    """Read the settings, or end the process with one line that names the one that is missing or impossible."""
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise SystemExit(f"ringback: {_describe(error.errors()[0])}") from None
    required = dict(_REQUIRED[role])
    if role == "api" and settings.mirror_read_through:
        required["upstream_base_url"] = f"the platform's address, which {PREFIX}MIRROR_READ_THROUGH needs"
    if settings.otlp_endpoint:
        _check_tracing()
    for name, what in required.items():
        value = getattr(settings, name)
        if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
            raise SystemExit(f"ringback: {PREFIX}{name.upper()} is missing: set it to {what}.")
    return settings


def _check_tracing() -> None:
    """End the process with one line if traces cannot be sent as the environment asks for it."""
    if not can_trace():
        raise SystemExit(f"ringback: {OTLP_ENDPOINT} needs what sends traces: pip install 'ringback[tracing]'.")
    if os.environ.get(_OTLP_PROTOCOL, "") not in ("", "http/protobuf"):
        raise SystemExit(f"ringback: {_OTLP_PROTOCOL} is impossible: traces are sent by http/protobuf only.")


def _describe(error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return f"{message}."
    field = str(error["loc"][0])
    name = field if field == OTLP_ENDPOINT else f"{PREFIX}{field.upper()}"
    return f"{name} is impossible: {message[:1].lower()}{message[1:]}."
