"""The door of every job: options in, exit status out, and one clear sentence when it fails."""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from uplift.config import Config
from uplift.config.options import config_named_by, option_parser
from uplift.errors import ConfigError, UpliftError
from uplift.logs import configure_logging
from uplift.spark.session import make_session

FAILED = 2
INTERRUPTED = 130  # what a shell reports for SIGINT

_MACHINE_TROUBLE = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "database or disk is full",
    "Read-only file system",
    "Input/output error",
    "disk I/O error",
)
_LOG_VARIABLE = "UPLIFT_LOG"


def run_job(
    doc: str, run: Callable[[SparkSession, Config], None], argv: Sequence[str] | None
) -> int:
    """Run a job that needs Spark; see ``run_plain_job`` for options and exit status.

    The session is stopped afterwards if it was made here; an active one is used and left alone.
    """

    def run_in_session(config: Config) -> None:
        found = SparkSession.getActiveSession()
        session = make_session(config.spark, app_name=_title(doc))
        try:
            run(session, config)
        finally:
            if found is None:
                session.stop()

    return run_plain_job(doc, run_in_session, argv)


def run_plain_job(doc: str, run: Callable[[Config], None], argv: Sequence[str] | None) -> int:
    """Parse ``argv`` (None: the command line), load the config, run, and answer an exit status.

    Returns:
        0; 2 after an ``UpliftError``, whose sentence went to stderr; 130 after an interrupt. Any
        other exception is a bug and keeps its traceback.
    """
    return run_with_options(doc, lambda config, _: run(config), argv)


def run_with_options(
    doc: str,
    run: Callable[[Config, argparse.Namespace], None],
    argv: Sequence[str] | None,
    *,
    add_options: Callable[[argparse.ArgumentParser], None] = lambda _: None,
) -> int:
    """The same for a job with options of its own, which it gets beside the config."""
    parser = _parser(doc)
    add_options(parser)
    options = parser.parse_args(argv)
    configure_logging()
    try:
        run(_config(options), options)
    except UpliftError as error:
        if options.traceback:
            traceback.print_exc(file=sys.stderr)
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except Exception as error:
        trouble = machine_trouble(error)
        if trouble is None or options.traceback:
            raise
        sys.stderr.write(f"error: {trouble}\n")
        return FAILED
    return 0


def machine_trouble(error: BaseException) -> str | None:
    """One sentence for a disk that is full, read-only or broken, whoever noticed it; else None.

    Python and SQLite say so themselves; Spark's tasks hide it in the trace of a Java exception.
    """
    text = str(error)
    found = next((words for words in _MACHINE_TROUBLE if words in text), None)
    if found is None:
        return None
    file = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
    return (
        f"{found[0].lower()}{found[1:]}{file}. Nothing was published, readers keep the last run. "
        "Look after the disk of `workspace` (and of spark.local.dir), then run this again."
    )


def parse(doc: str, argv: Sequence[str] | None) -> tuple[Config, argparse.Namespace]:
    """The config and the raw options, for a caller that has its own way of failing."""
    options = _parser(doc).parse_args(argv)
    return _config(options), options


def _title(doc: str) -> str:
    return doc.strip().splitlines()[0].rstrip(".")


def _parser(doc: str) -> argparse.ArgumentParser:
    parser = option_parser(doc)
    parser.add_argument(
        "--log",
        type=Path,
        metavar="PATH",
        help=f"the flat log, for inputs.flat_log.path (default: the variable {_LOG_VARIABLE})",
    )
    parser.add_argument(
        "--traceback", action="store_true", help="show where an error came from, not only what"
    )
    return parser


def _config(options: argparse.Namespace) -> Config:
    config = config_named_by(options)
    log = options.log or _log_from_environment(config)
    if log is None:
        return config
    if config.inputs.flat_log is None:
        raise ConfigError(
            f"--log {log} is given, but the campaign {config.campaign.id!r} reads three raw "
            "tables. Describe the log's columns in `inputs.flat_log` and set `inputs.raw` to null."
        )
    options.overrides.append(f"inputs.flat_log.path={json.dumps(str(log))}")
    return config_named_by(options)


def _log_from_environment(config: Config) -> Path | None:
    """The variable is a fallback: it counts only for a campaign whose log has no path yet."""
    value = os.environ.get(_LOG_VARIABLE)
    flat_log = config.inputs.flat_log
    return Path(value) if value and flat_log is not None and flat_log.path is None else None
