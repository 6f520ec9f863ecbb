"""Logging: one JSON object a line on standard output, or plain lines in a terminal.

Everything goes through the standard library's logging, so that arq's, uvicorn's and redis' own lines come out
alike. Ids are given as `extra`; nothing that is secret is ever handed to a logger.
"""

import logging
import sys

import structlog

_QUIET = {
    "arq": logging.WARNING,  # it logs every job, and a job here is a doorbell
    "httpx": logging.WARNING,  # it logs every request
    "uvicorn.access": logging.WARNING,
}


def configure_logging(level: str) -> None:
    """Send all logging to standard output in one format; `level` is for our own loggers."""
    for costly in ("logThreads", "logMultiprocessing", "logProcesses", "logAsyncioTasks"):
        # What every record would be given, and no line shows; Python's own advice (logging HOWTO, "Optimization").
        setattr(logging, costly, False)
    # The same for the file and line from which it was logged.
    logging._srcfile = None  # noqa: SLF001 -- the name that the HOWTO gives
    terminal = sys.stdout.isatty()
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("arq", "uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, logging.getLevelName(level)))
