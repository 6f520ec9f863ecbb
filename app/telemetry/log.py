"""Logging: one JSON object a line on standard output, or plain lines in a terminal.

Everything goes through the standard library's logging, so that arq's, uvicorn's, redis' and Python's own lines come out
alike. Ids are given as `extra`. Nothing that is secret is ever handed to a logger; what gets there all the same, in
the message of somebody else's exception say, is taken out of the finished line (redaction.py).

A line of JSON is put together by hand: it is written for every attempt and every request, and structlog's chain of
processors, which still paints the lines of a terminal, costs three times as much.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Iterable
from contextvars import ContextVar
from types import TracebackType

import structlog

from app.telemetry.redaction import Redaction

_QUIET = {
    "arq": logging.WARNING,  # it logs every job, and a job here is a doorbell
    "httpx": logging.WARNING,  # it logs every request
    "uvicorn.access": logging.WARNING,  # our own line of a request says more
}
# What every record has; what else it has was given as `extra`.
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
_LEVELS = {name: name.lower() for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")}
_MICROS = 1_000_000

_bound: ContextVar[dict[str, object] | None] = ContextVar("bound", default=None)

log = logging.getLogger(__name__)


def bind(**fields: object) -> None:
    """Have every line say this from now on that the present task writes, or a task that it starts."""
    _bound.set({**(_bound.get() or {}), **fields})


def configure_logging(level: str, secrets: Iterable[str] = ()) -> None:
    """Send all logging to standard output in one format; `level` is for our own loggers.

    `secrets` are texts that no line may show, whoever writes it.
    """
    for costly in ("logThreads", "logMultiprocessing", "logProcesses", "logAsyncioTasks"):
        # What every record would be given, and no line shows; Python's own advice (logging HOWTO, "Optimization").
        setattr(logging, costly, False)
    # The same for the file and line from which it was logged.
    logging._srcfile = None  # noqa: SLF001 -- the name that the HOWTO gives
    handler = logging.StreamHandler(sys.stdout)
    redaction = Redaction(secrets)
    handler.setFormatter(TerminalLines(redaction) if sys.stdout.isatty() else JsonLines(redaction))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("arq", "uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, logging.getLevelName(level)))
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object: what happened, what it was given, what is bound, and when.

    An exception is the field `exception`: its traceback, in one text.
    """

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction
        self._encode = json.JSONEncoder(separators=(",", ":"), default=repr).encode
        self._second = 0
        self._written_second = ""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "timestamp": self._time(record.created),
            "level": _LEVELS.get(record.levelname, record.levelname),
            "event": record.getMessage(),
        }
        if bound := _bound.get():
            fields.update(bound)
        fields.update({name: value for name, value in record.__dict__.items() if name not in _OWN})
        fields["logger"] = record.name
        if record.exc_info and record.exc_info[0]:
            fields["exception"] = self.formatException(record.exc_info)
        return self._redaction.of_json(self._encode(fields))

    def _time(self, created: float) -> str:
        second, micros = divmod(int(created * _MICROS), _MICROS)
        if second != self._second:
            self._second, self._written_second = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._written_second}.{micros:06d}Z"


class TerminalLines(structlog.stdlib.ProcessorFormatter):
    """Writes a record for a person."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                _add_bound,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Else it would paint tracebacks with the values of all variables in them.
                structlog.processors.format_exc_info,
                structlog.dev.ConsoleRenderer(),
            ],
        )
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        return self._redaction.of_text(super().format(record))


def _add_bound(_logger: object, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    fields.update(_bound.get() or {})
    return fields


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    if uncaught.exc_value is not None:
        about = (uncaught.exc_type, uncaught.exc_value, uncaught.exc_traceback)
        log.critical("uncaught exception in a thread", exc_info=about)
