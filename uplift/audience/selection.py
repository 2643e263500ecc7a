"""Who is in an audience: its restrictions as SQL over the customers of a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from uplift.arms import Arms
from uplift.audience.source import (
    KEY,
    RUN,
    SUPPRESSED,
    Source,
    column_types,
    customers,
    quoted,
    require_columns,
    text,
)
from uplift.config import Audience, OneOf, Range
from uplift.errors import ContractError
from uplift.policy.assignment import HOLDOUT
from uplift.policy.segments import SEGMENTS

NET_VALUE = "net_value_eur"
EVIDENCE = "evidence"

# as published: by segment, the most valuable first
_ORDER = f"list_position([{', '.join(map(text, SEGMENTS))}], segment), {NET_VALUE} DESC, {KEY}"


@dataclass(frozen=True)
class Cut:
    """An audience as SQL: ``SELECT ... FROM {table} {order}``, with its parameters.

    Attributes:
        table: The rows of the audience, all columns.
        order: Empty where the rows come in the published order by themselves.
        parameters: Values that ``table`` refers to by name.
    """

    table: str
    order: str
    parameters: Mapping[str, object] = field(default_factory=dict)


def cut(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    audience: Audience,
    *,
    excluded: Sequence[str] = (),
) -> Cut:
    """The audience's rows.

    Args:
        connection: From ``opened(source)``.
        source: The run.
        audience: The restrictions.
        excluded: Views with a ``unit_id`` of customers to leave out.

    Raises:
        ContractError: A restriction names a column or a coupon that the run does not have, or
            compares text with a number.
    """
    types = column_types(connection)
    arms = Arms(source.snapshot.facts.arms)
    _require(audience, types, arms)
    parameters: dict[str, object] = {}
    conditions = [*_conditions(audience, arms, parameters)]
    absent = [SUPPRESSED, *excluded] if source.suppressed else [*excluded]
    conditions += [f"{KEY} NOT IN (SELECT {KEY} FROM {view})" for view in absent]
    everybody = customers(connection)
    table = f"SELECT * FROM {everybody} WHERE {' AND '.join(conditions)}"
    limits = [*_limits(audience, arms, parameters)]
    for limit in limits:
        table = f"SELECT * FROM ({table}) QUALIFY {limit}"
    in_order = everybody == RUN and not absent and not limits
    return Cut(f"({table})", "" if in_order else f"ORDER BY {_ORDER}", parameters)


def by_arm(arms: Arms, column: str, formula: str, otherwise: str = "0") -> str:
    """SQL that takes ``formula``, with ``{slug}``, for the treatment that ``column`` names."""
    cases = " ".join(
        f"WHEN {text(name)} THEN {formula.format(slug=slug)}"
        for name, slug in zip(arms.treatments, arms.slugs[1:], strict=True)
    )
    return f"(CASE {column} {cases} ELSE {otherwise} END)"


def _conditions(audience: Audience, arms: Arms, parameters: dict[str, object]) -> Iterator[str]:
    yield "contactable"
    parameters["holdout"] = HOLDOUT
    yield f"reason {'=' if audience.group == 'control' else '<>'} $holdout"
    listed = {"segment": audience.segments, EVIDENCE: audience.evidence}
    for column, values in {**listed, "decision": audience.coupons}.items():
        if values:
            yield _one_of(column, values, parameters)
    kindest = "greatest(" + ", ".join(f"uplift_{slug}" for slug in arms.slugs[1:]) + ")"
    uplift = by_arm(arms, "best_coupon", "uplift_{slug}", otherwise=kindest)
    yield from _between(uplift, audience.uplift, parameters)
    yield from _between(NET_VALUE, audience.net_value_eur, parameters)
    for column, condition in audience.where.items():
        if isinstance(condition, OneOf):
            yield _one_of(quoted(column), condition.any_of, parameters)
        else:
            yield from _between(quoted(column), condition, parameters)


def _limits(audience: Audience, arms: Arms, parameters: dict[str, object]) -> Iterator[str]:
    """Conditions over the whole audience, after all those that look at one customer."""
    if audience.budget_eur is not None:
        cost, gain = (by_arm(arms, "best_coupon", f"{what}_eur_{{slug}}") for what in _MONEY)
        order = f"{gain} / nullif({cost}, 0) DESC NULLS FIRST, {KEY}"
        parameters["budget"] = audience.budget_eur
        spent = (
            f"sum(CAST({cost} AS DECIMAL(38, 9))) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING)"
        )
        yield f"best_coupon IS NOT NULL AND {spent} <= $budget"
    if audience.top_n is not None:
        parameters["top_n"] = audience.top_n
        yield f"row_number() OVER (ORDER BY {NET_VALUE} DESC, {KEY}) <= $top_n"


_MONEY = ("cost", "gain")


def _one_of(column: str, values: Sequence[object], parameters: dict[str, object]) -> str:
    names = []
    for value in values:
        names.append(f"$p{len(parameters)}")
        parameters[names[-1][1:]] = value
    return f"{column} IN ({', '.join(names)})"


def _between(column: str, limits: Range, parameters: dict[str, object]) -> Iterator[str]:
    for sign, value in ((">=", limits.min), ("<=", limits.max)):
        if value is not None:
            name = f"p{len(parameters)}"
            parameters[name] = value
            yield f"{column} {sign} ${name}"


def _require(audience: Audience, types: Mapping[str, str], arms: Arms) -> None:
    require_columns(list(audience.where), list(types), "`where`")
    if audience.evidence and EVIDENCE not in types:
        raise ContractError(
            "this run says nothing of evidence: it was published by an earlier release. Publish "
            "again with jobs.publish_snapshot, or leave `evidence` out."
        )
    unknown = sorted(set(audience.coupons).difference(arms.names))
    if unknown:
        raise ContractError(
            f"{unknown} ({len(unknown)} of {len(audience.coupons)} in `coupons`) are no arms of "
            f"the run; it has {list(arms.names)}."
        )
    for column, condition in audience.where.items():
        is_text = types[column] == "VARCHAR"
        if isinstance(condition, Range) and is_text:
            raise ContractError(
                f"column {column!r} holds text, which has no range. Use `any_of` with its values."
            )
        if isinstance(condition, OneOf):
            strange = [v for v in condition.any_of if isinstance(v, str) != is_text]
            if strange:
                kind = "text" if is_text else types[column].lower()
                raise ContractError(
                    f"column {column!r} holds {kind}, {strange[0]!r} ({len(strange)} of "
                    f"{len(condition.any_of)} values) is none. Correct `any_of`."
                )
