"""A causal forest of the whole training set as a model, for whoever trains on Spark."""

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame

from uplift.arms import Arms
from uplift.features.encoder import FeatureEncoder
from uplift.learners.fit import Plan
from uplift.learners.model import UpliftModel
from uplift.spark.forest import grow_forest_on_spark

CAUSAL_FOREST = "causal_forest"


def grows_on_spark(plan: Plan) -> bool:
    """Whether ``forest_model`` is to fit this plan, and not ``Plan.fit``."""
    return plan.learner == CAUSAL_FOREST and plan.options.on_spark


def forest_model(
    training: DataFrame,
    outcomes: Sequence[str],
    *,
    arms: Arms,
    encoder: FeatureEncoder,
    plan: Plan,
    metadata: Mapping[str, str] | None = None,
) -> UpliftModel:
    """What ``uplift.learners.fit.fit_model`` fits, from all rows, none of which leaves its task.

    Args:
        training: Rows of ``training_set`` to learn from.
        outcomes: ``conversion``, and ``revenue`` where it is to be modelled.
        arms: The campaign's arms.
        encoder: Knows the categories; one that it does not know counts as missing.
        plan: Of a causal forest.
        metadata: Remarks that travel with the model.
    """
    ensembles = {
        outcome: grow_forest_on_spark(
            training,
            encoder,
            outcome=outcome,
            n_arms=len(arms.names),
            settings=plan.options.forest,
            seed=plan.seed,
        ).ensemble
        for outcome in outcomes
    }
    return UpliftModel(arms, encoder, ensembles, metadata or {})
