"""Who may get which coupon tonight: suppression list, frequency cap, exclusive campaigns."""

from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from uplift import columns
from uplift.arms import Arms
from uplift.config import Eligibility
from uplift.errors import ContractError

CAMPAIGN_ID = "campaign_id"
CONTACTED_AT = "contacted_at"
_ARM_NAMES, _IS_CLOSED = "suppressed_arms", "is_closed"


def add_eligible_arms(
    scores: DataFrame, spark: SparkSession, rules: Eligibility, *, arms: Arms, campaign_id: str
) -> DataFrame:
    """Add ``eligible_arms`` where there are rules: may the customer get treatment 1..K tonight?

    Contacts count if they fall in the days before ``as_of``. Lists are read as they stand: an
    identifier twice is once, one that nobody knows is nobody.

    Raises:
        ContractError: A list lacks a column, or names an arm that the campaign does not have.
    """
    if rules.suppression is None and rules.contacts is None:
        return scores
    found = scores
    if rules.suppression is not None:
        found = found.join(_suppressed(spark, rules.suppression, arms), columns.UNIT_ID, "left")
    if rules.contacts is not None:
        closed = _closed_by_contacts(scores, spark, rules.contacts, rules, campaign_id)
        found = found.join(closed, columns.UNIT_ID, "left")
    return found.withColumn(columns.ELIGIBLE, _eligible(found, arms)).drop(_ARM_NAMES, _IS_CLOSED)


def _eligible(found: DataFrame, arms: Arms) -> Column:
    is_open = F.lit(True)
    if _IS_CLOSED in found.columns:
        is_open = ~F.coalesce(_IS_CLOSED, F.lit(False))
    if _ARM_NAMES not in found.columns:
        return F.array(*[is_open] * arms.n_treatments)
    names = F.coalesce(_ARM_NAMES, F.array().cast("array<string>"))
    is_free = ~F.array_contains(names, "*")
    return F.array(
        *(is_open & is_free & ~F.array_contains(names, name) for name in arms.treatments)
    )


def _suppressed(spark: SparkSession, path: Path, arms: Arms) -> DataFrame:
    """Per customer the arms that are barred; ``*`` for all, where the list names none."""
    listed = _read(spark, path, (columns.UNIT_ID,), "policy.eligibility.suppression")
    arm = F.col(columns.ARM) if columns.ARM in listed.columns else F.lit(None).cast("string")
    rows = listed.select(F.col(columns.UNIT_ID).cast("string"), arm.alias(columns.ARM))
    unknown = rows.where(F.col(columns.ARM).isNotNull() & ~F.col(columns.ARM).isin(*arms.names))
    for row in unknown.groupBy(columns.ARM).count().orderBy(columns.ARM).head(1):
        raise ContractError(
            f"{path} bars {row['count']} customers from the arm {row[columns.ARM]!r}; the campaign "
            f"knows {list(arms.treatments)}. Correct `policy.eligibility.suppression`."
        )
    return rows.groupBy(columns.UNIT_ID).agg(
        F.collect_set(F.coalesce(columns.ARM, F.lit("*"))).alias(_ARM_NAMES)
    )


def _closed_by_contacts(
    scores: DataFrame, spark: SparkSession, path: Path, rules: Eligibility, campaign_id: str
) -> DataFrame:
    needed = (columns.UNIT_ID, CAMPAIGN_ID, CONTACTED_AT)
    contacts = _read(spark, path, needed, "policy.eligibility.contacts")
    sent_at, as_of = F.col(CONTACTED_AT).cast("timestamp"), F.col(columns.AS_OF)
    window = F.make_dt_interval(F.lit(rules.window_days))
    recent = (
        contacts.select(*needed)
        .join(scores.select(columns.UNIT_ID, columns.AS_OF), columns.UNIT_ID)
        .where((sent_at < as_of) & (sent_at >= as_of - window))
    )
    others = [name for name in rules.exclusive_campaigns if name != campaign_id]
    by_others = F.count_if(F.col(CAMPAIGN_ID).isin(*others)) > 0 if others else F.lit(False)
    too_often = F.lit(False) if rules.most_contacts is None else F.count("*") >= rules.most_contacts
    return recent.groupBy(columns.UNIT_ID).agg((too_often | by_others).alias(_IS_CLOSED))


def _read(spark: SparkSession, path: Path, needed: tuple[str, ...], key: str) -> DataFrame:
    if not path.exists():
        raise ContractError(f"{path} does not exist. Correct `{key}`, or set it to null.")
    is_text = path.suffix == ".csv"
    where = str(path.absolute())
    frame = spark.read.csv(where, header=True) if is_text else spark.read.parquet(where)
    missing = sorted(set(needed).difference(frame.columns))
    if missing:
        raise ContractError(
            f"{path} lacks the columns {missing} of {list(needed)}; it has {frame.columns}. "
            f"Correct `{key}`."
        )
    return frame
