"""The options that name a configuration, the same at every door."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from uplift.config.load import load_config
from uplift.config.sections import Config

DEFAULT_FILES = (Path("conf/base.yaml"), Path("conf/campaigns/coupon.yaml"))


def option_parser(doc: str, *, prog: str | None = None) -> argparse.ArgumentParser:
    """A parser whose help is ``doc``, with ``--config`` and ``--set``."""
    parser = argparse.ArgumentParser(
        prog=prog, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config",
        action="append",
        type=Path,
        metavar="FILE",
        dest="files",
        help="YAML file; repeat it, later files win "
        f"(default: {' then '.join(map(str, DEFAULT_FILES))})",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="one key over all files, such as policy.budget_eur=500",
    )
    return parser


def config_named_by(options: argparse.Namespace) -> Config:
    """The configuration that parsed options name."""
    return load_config(options.files or DEFAULT_FILES, options.overrides)


def campaign_arguments(argv: Sequence[str] | None) -> str:
    """The part of a command line (None: this one) that names the campaign, to be typed again."""
    options, _ = option_parser("").parse_known_args(argv)
    named = () if options.files in (None, [*DEFAULT_FILES]) else options.files
    files = [part for file in named for part in ("--config", str(file))]
    overrides = [part for override in options.overrides for part in ("--set", override)]
    return shlex.join([*files, *overrides])
