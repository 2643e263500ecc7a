"""From YAML files to a checked ``Config``, or to one sentence that says what is wrong."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import yaml
from pydantic import BaseModel, ValidationError

from uplift.config.sections import Config
from uplift.errors import ConfigError


def load_yaml(path: Path) -> dict[str, object]:
    """Read one YAML mapping; anything else is a ``ConfigError`` that names the file and line."""
    if not path.is_file():
        raise ConfigError(f"config file {path} does not exist. Check the path after --config.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} holds a {type(content).__name__}; it must hold `key: value` lines."
        )
    return content


def load_config(paths: Sequence[Path], overrides: Sequence[str] = ()) -> Config:
    """Read and check the configuration: later files over earlier ones, ``key=value`` over all.

    Mappings merge key by key; lists and values replace. ``overrides`` are dotted keys with a YAML
    value, such as ``policy.budget_eur=500``.
    """
    merged: dict[str, object] = {}
    for path in paths:
        merged = _merge(merged, load_yaml(path))
    for override in overrides:
        merged = _merge(merged, _parse_override(override))
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(explain(error, Config, ", ".join(map(str, paths)))) from error


def explain(
    error: ValidationError,
    model: type[BaseModel],
    source: str,
    *,
    manual: str = "conf/base.yaml",
) -> str:
    """All that pydantic found, one clause each; an unknown key names the nearest valid one.

    ``manual`` is the file that explains every key to the reader.
    """
    clauses = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"]) or "(top level)"
        if item["type"] == "extra_forbidden":
            clauses.append(f"unknown key `{where}`{_nearest(model, item['loc'])}")
        elif item["type"] == "missing":
            clauses.append(f"`{where}` is missing")
        else:
            clauses.append(f"`{where}` = {item['input']!r}: {item['msg'].lower()}")
    return f"{source}: " + "; ".join(clauses) + f". Every key is explained in {manual}."


def _nearest(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    valid = _keys_at(model, location[:-1])
    close = difflib.get_close_matches(str(location[-1]), valid, n=1, cutoff=0.5)
    return f", did you mean `{close[0]}`?" if close else f", valid here: {', '.join(sorted(valid))}"


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys valid at a place; in a union of sections, those of the section its tag names."""
    sections = [model]
    for part in location:
        below = [
            inner
            for section in sections
            if part in section.model_fields
            for inner in _sections_in(section.model_fields[str(part)].annotation)
        ]
        tagged = [section for section in sections if _tag(section) == part]
        sections = below or tagged or sections
    return sorted({key for section in sections for key in section.model_fields})


def _tag(section: type[BaseModel]) -> object:
    kind = section.model_fields.get("kind")
    return kind and next(iter(get_args(kind.annotation)), None)


def _sections_in(annotation: object) -> list[type[BaseModel]]:
    """The model classes inside ``X | None``, ``tuple[X, ...]`` or ``dict[str, X]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections_in(part)]


def _merge(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def _parse_override(text: str) -> dict[str, object]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"--set {text!r} has no `key=value` form; write --set policy.budget_eur=500."
        )
    try:
        tree: object = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text!r}: {value!r} is not a YAML value.") from error
    for part in reversed(key.split(".")):
        tree = {part: tree}
    return dict(tree) if isinstance(tree, dict) else {}
