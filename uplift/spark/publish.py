"""From tables that carry arrays over arms to the published one, where every arm has its name."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.arms import CONTROL, Arms
from uplift.errors import ContractError
from uplift.policy.segments import SEGMENTS

BEST_COUPON = "best_coupon"
DECISION = "decision"
NET_VALUE = "net_value_eur"
POLICY_VERSION = "policy_version"

_N_DECILES = 10
_ROW_GROUP_BYTES = 16 << 20  # small enough that their order in the file does not hang on memory
_TABLE = "table"


def reconcile(tables: Mapping[str, DataFrame]) -> int:
    """How many customers there are, if every table holds each of them exactly once.

    Raises:
        ContractError: There are none, or one is missing from a table or stands in it twice.
    """
    ids = [f.select(columns.UNIT_ID, F.lit(name).alias(_TABLE)) for name, f in tables.items()]
    rows_of = {name: F.count(F.when(F.col(_TABLE) == name, 1)).alias(name) for name in tables}
    customers = reduce(DataFrame.unionAll, ids).groupBy(columns.UNIT_ID).agg(*rows_of.values())
    is_amiss = reduce(Column.__or__, [F.col(name) != 1 for name in tables])
    found = customers.agg(
        F.count("*").alias("n"),
        F.count_if(is_amiss).alias("n_amiss"),
        F.min(F.when(is_amiss, F.col(columns.UNIT_ID))).alias("example"),
        *[F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in tables],
    ).collect()[0]
    rows = ", ".join(f"{name} {found[name]:,}" for name in tables)
    if not found["n"]:
        raise ContractError(f"there is no customer to publish (rows: {rows}). Run the jobs anew.")
    if found["n_amiss"]:
        raise ContractError(
            f"customer {found['example']!r} and {found['n_amiss'] - 1:,} more of {found['n']:,} do "
            f"not stand exactly once in each table (rows: {rows}). Run jobs.score_customers, then "
            "jobs.assign_coupons."
        )
    return int(found["n"])


def published_scores(
    scores: DataFrame, decisions: DataFrame, *, arms: Arms, policy_version: str
) -> DataFrame:
    """One row per customer as marketers and services read it: names for arms, euro in the names.

    ``best_coupon`` is null where no coupon pays; ``net_value_eur`` is then the least loss.
    """
    return scores.join(decisions, on=columns.UNIT_ID, how="inner").select(
        columns.UNIT_ID,
        columns.SEGMENT,
        columns.EVIDENCE,
        columns.DECILE,
        F.col(columns.PRIORITY).alias(NET_VALUE),
        F.when(F.col(columns.BEST_ARM) != CONTROL, _name(arms, columns.BEST_ARM)).alias(
            BEST_COUPON
        ),
        _name(arms, columns.DECISION_ARM).alias(DECISION),
        columns.REASON,
        columns.DECISION_PROPENSITY,
        columns.CONTACTABLE,
        *_spread(columns.EXPECTED_CONVERSION, "conversion", arms.slugs),
        *_spread(columns.CATE, "uplift", arms.slugs[1:]),
        *_spread(columns.GAIN, "gain_eur", arms.slugs[1:]),
        *_spread(columns.COST, "cost_eur", arms.slugs[1:]),
        *_spread(columns.ARM_EVIDENCE, "evidence", arms.slugs[1:]),
        columns.PERSUADABLE_LOW,
        columns.PERSUADABLE_HIGH,
        columns.AS_OF,
        columns.MODEL_VERSION,
        F.lit(policy_version).alias(POLICY_VERSION),
    )


def write_published(published: DataFrame, folder: Path) -> int:
    """Write the rows by segment, best customers first; the same rows give the same bytes.

    A file holds one decile of one segment, so neither the order of the input nor the number of
    tasks can move a row from file to file.

    Returns:
        The number of rows written.
    """
    segment = F.array_position(F.array(*map(F.lit, SEGMENTS)), F.col(columns.SEGMENT)) - 1
    slice_id = (segment * _N_DECILES + F.col(columns.DECILE) - 1).cast("int")
    (
        published.repartitionById(len(SEGMENTS) * _N_DECILES, slice_id)
        .sortWithinPartitions(F.desc(NET_VALUE), columns.UNIT_ID)
        .write.option("parquet.block.size", _ROW_GROUP_BYTES)
        .parquet(str(folder.absolute()))
    )
    return sum(_written_again(folder))


def stamp_of(scores: DataFrame) -> tuple[datetime, str]:
    """The one moment that all scores describe, and the one model that made them.

    Raises:
        ContractError: The table mixes several.
    """
    found = scores.groupBy(F.unix_seconds(columns.AS_OF), columns.MODEL_VERSION).count().head(3)
    if len(found) != 1:
        raise ContractError(
            f"customer_scores holds scores of {len(found)} or more models and days, such as "
            f"{[(row[1], row[2]) for row in found]} (version, rows); all must be of one night. "
            "Run jobs.score_customers again."
        )
    as_of, model_version, _ = found[0]
    return datetime.fromtimestamp(as_of, UTC), model_version


def segment_sizes(published: DataFrame, *, arms: Arms) -> dict[str, tuple[int, int]]:
    """Customers and offers of every segment, empty ones too."""
    is_offer = F.col(DECISION) != arms.names[CONTROL]
    found = published.groupBy(columns.SEGMENT).agg(F.count("*"), F.count_if(is_offer)).collect()
    return dict.fromkeys(SEGMENTS, (0, 0)) | {row[0]: (row[1], row[2]) for row in found}


def _name(arms: Arms, number: str) -> Column:
    return F.element_at(F.array(*map(F.lit, arms.names)), F.col(number) + 1)


def _spread(array: str, prefix: str, slugs: tuple[str, ...]) -> list[Column]:
    return [F.col(array)[i].alias(f"{prefix}_{slug}") for i, slug in enumerate(slugs)]


def _written_again(folder: Path) -> Iterator[int]:
    """Write each file again, its bytes a function of its rows; yield their number.

    Spark's writer lists the encodings of a column in the order of a hash set, another one in each
    JVM: two nights with the same rows would be two runs.
    """
    for marker in [*folder.glob("_*"), *folder.glob(".*")]:
        marker.unlink()
    for number, file in enumerate(sorted(folder.glob("*.parquet"))):
        source = pq.ParquetFile(file)
        target = folder / f"part-{number:05d}.parquet"
        with source, pq.ParquetWriter(target, source.schema_arrow) as writer:
            for group in range(source.num_row_groups):
                writer.write_table(source.read_row_group(group))
        file.unlink()
        yield source.metadata.num_rows
