"""Load Redis from the partitions of a table, each in pipelines of its own."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import RedisSettings
from uplift.errors import ContractError
from uplift.features.encoder import FeatureEncoder
from uplift.online.redis_store import RedisVersions, Version, answering, connect
from uplift.online.rows import encoded_rows
from uplift.spark.contracts import column


def fill_redis(
    features: DataFrame,
    encoder: FeatureEncoder,
    settings: RedisSettings,
    *,
    campaign_id: str,
    run_id: str,
    version: Version,
) -> int:
    """Send every customer to a version that ``RedisVersions.begin`` entered.

    Returns:
        The number of rows sent.

    Raises:
        ContractError: Redis was gone, full or too slow for some partition.
    """
    names = [columns.UNIT_ID, columns.CONTACTABLE, *encoder.names]

    def send(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        client = connect(settings.url, timeout_seconds=settings.timeout_seconds)
        rows = (
            row
            for numbered in batches
            for row in encoded_rows(numbered.rename_columns(names), encoder)
        )
        sent, trouble = 0, None
        try:
            with answering():
                sent = RedisVersions(client, campaign_id).fill(run_id, version, rows)
        except ContractError as error:  # told as data: a task that raises hides its reason
            trouble = str(error)
        finally:
            client.close()
        yield pa.RecordBatch.from_pydict({"sent": [sent], "trouble": pa.array([trouble], pa.string())})

    # by number, because mapInArrow takes a dot in a name for a field of a struct
    numbered = features.select(*map(column, names)).toDF(*map(str, range(len(names))))
    found = (
        numbered.mapInArrow(send, "sent long, trouble string")
        .agg(F.sum("sent").alias("sent"), F.min("trouble").alias("trouble"))
        .collect()[0]
    )
    if found["trouble"] is not None:
        raise ContractError(str(found["trouble"]))
    return int(found["sent"] or 0)
