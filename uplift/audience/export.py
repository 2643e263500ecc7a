"""Write an audience file, and beside it all that somebody needs to trust it.

The id of an export is a digest of run, order, attributes and suppressions: the same order of the
same customers is the same export, and its file has the same bytes.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import cast

import duckdb

from uplift.arms import Arms
from uplift.audience import audit
from uplift.audience.dictionary import data_dictionary
from uplift.audience.formats import SUFFIX, column_types_of, count_guarded, write_file
from uplift.audience.manifest import seal_of, sync
from uplift.audience.match_files import match_query
from uplift.audience.outlook import Outlook, outlook
from uplift.audience.selection import Cut, cut
from uplift.audience.shelf import MANIFEST, MEMBERS, Written, member_view, put, read_export
from uplift.audience.source import KEY, Source, column_types, opened, quoted, require_columns
from uplift.config import Export as Rules
from uplift.config import Order
from uplift.errors import ContractError, UpliftError
from uplift.workspace import read_document, write_document

AUDIT = "audit.jsonl"
_SAID_ONCE = ("as_of", "model_version", "policy_version", "contactable")  # alike in every row
_DIGEST, _CHANGE = "_digest", "change"
Watch = Callable[[duckdb.DuckDBPyConnection], None]


class ExportStoppedError(UpliftError):
    """Somebody interrupted an export; nothing of it is left."""


def preview(
    source: Source, order: Order, folder: Path, *, compare_with: Sequence[str] = ()
) -> Outlook:
    """What an order would bring, and how many of its customers stand in earlier exports too.

    Raises:
        ContractError: A column, a coupon or an earlier export is unknown.
    """
    with opened(source) as connection:
        chosen = _cut(connection, source, order, folder)
        _columns(connection, order)
        if order.since:
            read_export(folder, order.since)
        members = [
            (export_id, member_view(connection, folder, export_id, f"compared_{place}"))
            for place, export_id in enumerate(compare_with)
        ]
        arms = Arms(source.snapshot.facts.arms)
        return outlook(connection, chosen, arms, members=members)


def write_export(
    source: Source,
    order: Order,
    folder: Path,
    *,
    rules: Rules,
    by: str,
    at: datetime,
    watch: Watch = lambda connection: None,
) -> Written:
    """Carry out an order; a reader of ``folder`` sees the whole export or none.

    Args:
        source: The run and what stands beside it.
        order: What to write.
        folder: All exports of the workspace.
        rules: Least size and country code.
        by: Who asks; recorded.
        at: When; recorded.
        watch: Is handed the connection, to ask for progress or to interrupt.

    Raises:
        ContractError: A column, a coupon or an earlier export is unknown, or the audience is
            smaller than ``rules.minimum_customers``.
        ExportStoppedError: ``watch`` or somebody it told has interrupted the connection.
    """
    export_id = export_id_of(source, order)
    staging = folder / f".{export_id}.{uuid.uuid4().hex}"
    staging.mkdir(parents=True)
    try:
        with opened(source) as connection:
            connection.execute(f"SET temp_directory = '{staging / 'spill'}'")
            watch(connection)
            written = _fill(connection, source, order, folder, staging, rules)
        shutil.rmtree(staging / "spill", ignore_errors=True)
        name = f"{order.name}-{source.snapshot.run_id}{_suffix(order)}"
        (staging / "file").rename(staging / name)
        document = {
            "export_id": export_id,
            "file": name,
            "sha256": seal_of(staging / name).sha256,
            "bytes": (staging / name).stat().st_size,
            **written,
            "order": order.model_dump(mode="json"),
            **_origin(source, order),
            "by": by,
            "at": at.isoformat(),
        }
        write_document(staging / MANIFEST, document)
        for path in staging.iterdir():
            sync(path)
        put(staging, folder / export_id)
        keys = ("export_id", "rows", "sha256", "run_id")
        audit.record(
            folder / AUDIT, "export.written", by=by, at=at, **{key: document[key] for key in keys}
        )
    except duckdb.InterruptException as error:
        raise ExportStoppedError(f"export {export_id} was stopped; ask for it again.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return read_export(folder, export_id)


def _fill(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    order: Order,
    folder: Path,
    staging: Path,
    rules: Rules,
) -> dict[str, object]:
    """Write file and members; what the manifest says of them."""
    chosen = _cut(connection, source, order, folder)
    arms = Arms(source.snapshot.facts.arms)
    expected = outlook(connection, chosen, arms)
    if expected.customers < rules.minimum_customers:
        raise ContractError(
            f"the audience has {expected.customers} customers, fewer than the "
            f"{rules.minimum_customers} of `export.minimum_customers`: so few could be recognised. "
            "Widen it."
        )
    names = _columns(connection, order)
    digest = f"hash({', '.join(map(quoted, names))})"
    parameters = chosen.parameters
    members = f"SELECT {KEY}, {digest} AS {_DIGEST} FROM {chosen.table}"
    write_file(connection, members, parameters, staging / MEMBERS, file_format="parquet")
    if order.match:
        known = list(column_types(connection))
        query = match_query(
            chosen.table, chosen.order, known, order.match, country_code=rules.country_code
        )
        names = list(column_types_of(connection, query, parameters))
    elif order.since:
        query = _difference(connection, chosen, names, digest, order.since, folder)
        names = [_CHANGE, *names]
    else:
        query = f"SELECT {', '.join(map(quoted, names))} FROM {chosen.table} {chosen.order}"
    is_text = order.format in ("csv", "excel")
    guarded = count_guarded(connection, query, parameters) if is_text and not order.match else 0
    rows = write_file(
        connection,
        query,
        parameters,
        staging / "file",
        file_format=order.format,
        gzip=order.gzip,
    )
    return {
        "rows": rows,
        "unmatched": expected.customers - rows if order.match else 0,
        "guarded_cells": guarded,
        "columns": [
            {"name": name, "meaning": meaning}
            for name, meaning in data_dictionary(names, arms).items()
        ],
        "expected": asdict(expected),
    }


def _cut(connection: duckdb.DuckDBPyConnection, source: Source, order: Order, folder: Path) -> Cut:
    excluded = [
        member_view(connection, folder, export_id, f"excluded_{place}")
        for place, export_id in enumerate(order.audience.exclude)
    ]
    return cut(connection, source, order.audience, excluded=excluded)


def _columns(connection: duckdb.DuckDBPyConnection, order: Order) -> list[str]:
    known = list(column_types(connection))
    if not order.columns:
        run = [str(name) for name, *_ in connection.execute("DESCRIBE run").fetchall()]
        return [name for name in run if name not in _SAID_ONCE]
    require_columns(order.columns, known, "`columns`")
    return list(dict.fromkeys(order.columns))


def _difference(
    connection: duckdb.DuckDBPyConnection,
    chosen: Cut,
    names: Sequence[str],
    digest: str,
    since: str,
    folder: Path,
) -> str:
    """Rows that were added or changed since an earlier export, then the ids of those removed.

    Somebody who is suppressed is not named, not even as removed.
    """
    before = member_view(connection, folder, since, "before")
    document = read_document(folder / since / MANIFEST, made_by="export_segments")
    if document["duckdb"] != duckdb.__version__:
        raise ContractError(
            f"export {since!r} was written with DuckDB {document['duckdb']}, this is "
            f"{duckdb.__version__}, whose hashes differ: what changed cannot be told. Leave "
            "`since` out once."
        )
    columns = cast(Sequence[Mapping[str, str]], document["columns"])
    then = [column["name"] for column in columns if column["name"] != _CHANGE]
    if then != list(names):
        raise ContractError(
            f"export {since!r} has the columns {then}, this one would have {list(names)}: "
            "what changed cannot be told. Choose the same columns, or leave `since` out."
        )
    kept = ", ".join(f"now.{quoted(name)}" for name in names)
    gone = ", ".join(f"before.{KEY}" if name == KEY else "NULL" for name in names)
    now = f"(SELECT *, {digest} AS {_DIGEST} FROM {chosen.table})"
    return (
        f"SELECT CASE WHEN before.{KEY} IS NULL THEN 'added' ELSE 'changed' END AS {_CHANGE}, "
        f"{kept} FROM {now} now LEFT JOIN {before} before USING ({KEY}) "
        f"WHERE before.{KEY} IS NULL OR before.{_DIGEST} <> now.{_DIGEST} "
        f"UNION ALL SELECT 'removed', {gone} FROM {before} before "
        f"WHERE {KEY} NOT IN (SELECT {KEY} FROM {chosen.table}) "
        f"AND {KEY} NOT IN (SELECT {KEY} FROM suppressed) ORDER BY {_CHANGE}, {KEY}"
    )


def first_customer(source: Source, order: Order, folder: Path) -> str | None:
    """The most valuable customer of the first segment of an audience; None: nobody is in it."""
    with opened(source) as connection:
        chosen = _cut(connection, source, order, folder)
        query = f"SELECT {KEY} FROM {chosen.table} {chosen.order} LIMIT 1"
        found = connection.execute(query, dict(chosen.parameters)).fetchone()
        return None if found is None else str(found[0])


def export_id_of(source: Source, order: Order) -> str:
    """The name that this order of these customers has among all exports."""
    content: list[object] = [
        order.model_dump(mode="json"),
        source.snapshot.run_id,
        list(source.suppressed),
    ]
    if source.attributes is not None:
        files = [source.attributes, *sorted(source.attributes.rglob("*.parquet"))]
        with suppress(FileNotFoundError):  # reported when it is read
            content.append([[str(f), f.stat().st_size, f.stat().st_mtime_ns] for f in files])
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{order.name}-{source.snapshot.run_id}-{digest[:8]}"


def _origin(source: Source, order: Order) -> dict[str, object]:
    facts = source.snapshot.facts
    return {
        "duckdb": duckdb.__version__,
        "run_id": source.snapshot.run_id,
        "campaign_id": facts.campaign_id,
        "as_of": facts.as_of.isoformat(),
        "model_version": facts.model_version,
        "policy_version": facts.policy_version,
        "suppressed": len(source.suppressed),
        "left_out": [
            "not contactable",
            "suppressed",
            "targeted" if order.audience.group == "control" else "holdout",
        ],
    }


def _suffix(order: Order) -> str:
    return SUFFIX[order.format] + (".gz" if order.gzip else "")
