"""Log lines: for a person on a terminal, for a machine everywhere else.

The message of a record is an event name, ``noun.past_verb``; what is known about it goes into
``facts``. Library code below the door does not log; jobs and the service do.
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

Fact = str | int | float | bool | None | list[str]

_OURS = ("uplift", "jobs", "serving", "__main__")
_QUIET = "py4j"  # logs tracebacks of what it also raises, and does so in the root's name


def configure_logging(stream: TextIO | None = None) -> None:
    """Send our events from INFO and everybody else's from WARNING to ``stream`` (stderr).

    Calling it again moves the lines to the new stream; handlers of others stay.
    """
    target = sys.stderr if stream is None else stream
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _EventHandler)]:
        root.removeHandler(handler)
    handler = _EventHandler(target)
    handler.addFilter(lambda record: Path(record.pathname).parent.name != _QUIET)
    handler.setFormatter(_HumanLine() if target.isatty() else _JsonLine())
    root.addHandler(handler)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO)


def event(logger: logging.Logger, name: str, *, level: int = logging.INFO, **facts: Fact) -> None:
    """Log that something happened, with its facts: ``event(log, "table.written", rows=3)``."""
    logger.log(level, name, extra={"facts": facts})


class _EventHandler(logging.StreamHandler[TextIO]):
    """A type of our own, so that a second call replaces only what the first one added."""


class _HumanLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        doubt = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        facts = "  ".join(f"{key}={_readable(value)}" for key, value in _facts(record).items())
        line = f"{clock}  {doubt}{record.getMessage():<28}  {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _facts(record: logging.LogRecord) -> Mapping[str, object]:
    facts = getattr(record, "facts", {})
    return facts if isinstance(facts, Mapping) else {}


def _readable(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
