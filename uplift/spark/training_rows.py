"""The rows a learner learns from, brought to the driver in one order whatever Spark did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.errors import ContractError
from uplift.features.encoder import FeatureEncoder, fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.data import TrainingData
from uplift.spark.contracts import column, require_columns, require_values
from uplift.spark.hashing import hash_uniform

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Units with what was known of them, what was done to them and what happened.

    Attributes:
        encoder: Fitted on these rows; it made ``features``.
        features: Shape (n, d).
        arm: Shape (n,).
        propensity: Shape (n,).
        cluster: The randomisation unit, as text, shape (n,).
        propensities: Chance of every arm, shape (n, K + 1), if the table has them.
        outcomes: By name, each of shape (n,).
        n_available: Rows there were before sampling.
    """

    encoder: FeatureEncoder
    features: Vector
    arm: npt.NDArray[np.int64]
    propensity: Vector
    cluster: npt.NDArray[np.object_]
    propensities: Vector | None
    outcomes: Mapping[str, Vector]
    n_available: int

    def data(self, outcome: str) -> TrainingData:
        """What a learner of one outcome takes."""
        return TrainingData(
            self.features,
            self.arm,
            self.outcomes[outcome],
            self.propensity,
            cluster=self.cluster,
            propensities=self.propensities,
        )

    def where(self, rows: npt.NDArray[np.bool_]) -> "TrainingRows":
        """The chosen rows, rows of shape (n,), with the encoder of all."""
        return replace(
            self,
            features=self.features[rows],
            arm=self.arm[rows],
            propensity=self.propensity[rows],
            cluster=self.cluster[rows],
            propensities=None if self.propensities is None else self.propensities[rows],
            outcomes={name: values[rows] for name, values in self.outcomes.items()},
        )


def training_rows(
    frame: DataFrame,
    features: Sequence[FeatureColumn],
    outcomes: Sequence[str],
    *,
    max_rows: int,
    salt: str,
    source: str,
) -> TrainingRows:
    """Collect the training rows of ``training_set``, sorted by unit and experiment.

    Of a larger table a sample of about ``max_rows`` is taken by the hash of the randomisation unit:
    the same ones, each with all its rows, however the table is stored.

    Args:
        frame: Rows of ``training_set``.
        features: Columns to learn from.
        outcomes: Columns to learn.
        max_rows: How many rows one machine shall hold.
        salt: Of the sample.
        source: How the reader knows the table.

    Raises:
        ContractError: Columns are missing, there are no rows, a feature has no value in any of
            them, or an outcome is missing in some.
    """
    names = [feature.name for feature in features]
    require_columns(frame, [*names, *outcomes], source=source)
    require_values(frame, features=names, source=source)
    n_available = frame.count()
    if n_available > max_rows:
        frame = frame.where(
            hash_uniform(F.col(columns.CLUSTER_ID), f"{salt}:sample") < max_rows / n_available
        )
    keys = [columns.UNIT_ID, columns.EXPERIMENT_ID]
    design = [columns.ARM, columns.PROPENSITY, columns.CLUSTER_ID]
    if columns.PROPENSITIES in frame.columns:
        design.append(columns.PROPENSITIES)
    in_order = [(key, "ascending") for key in keys]
    wanted = [*keys, *design, *outcomes, *names]
    table = frame.select(*map(column, wanted)).toArrow().sort_by(in_order)
    for name in outcomes:
        _require_outcome(table, name, source)
    categories = {
        feature.name: table[feature.name].drop_null().unique().to_pylist()
        for feature in features
        if feature.kind == "categorical"
    }
    encoder = fit_encoder(features, categories)
    return TrainingRows(
        encoder=encoder,
        features=encoder.encode(table),
        arm=table[columns.ARM].to_numpy().astype(np.int64),
        propensity=table[columns.PROPENSITY].to_numpy(),
        cluster=np.array(table[columns.CLUSTER_ID].to_pylist(), dtype=object),
        propensities=_chances(table) if columns.PROPENSITIES in design else None,
        outcomes={name: table[name].to_numpy() for name in outcomes},
        n_available=n_available,
    )


def _chances(table: pa.Table) -> Vector:
    return np.array(table[columns.PROPENSITIES].to_pylist(), dtype=np.float64)


def _require_outcome(table: pa.Table, name: str, source: str) -> None:
    missing = table[name].null_count
    if missing:
        raise ContractError(
            f"`{name}` of {source} is null in {missing} of {table.num_rows} training rows. Log it "
            "for every unit (0 where nothing happened), or set `campaign.value.basis` to an "
            "outcome that the log has."
        )
