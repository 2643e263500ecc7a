"""From rows to a model: one ensemble for every outcome that the log has."""

from collections.abc import Mapping

from uplift.arms import Arms
from uplift.columns import CONVERSION, REVENUE
from uplift.errors import ContractError
from uplift.features.encoder import FeatureEncoder
from uplift.learners.base import (
    ArmVector,
    BoosterTrainer,
    Matrix,
    Objective,
    Parameters,
    Vector,
)
from uplift.learners.data import TrainingData
from uplift.learners.meta import fit_t_learner
from uplift.learners.model import UpliftModel

MIN_ARM_ROWS = 100

# Revenue by least squares: that answers with the mean in euro, the scale on which an effect is a
# difference. A Tweedie model fits ratios, and its trees would look for heterogeneity in those.
_OBJECTIVES: Mapping[str, Objective] = {CONVERSION: "binary", REVENUE: "regression"}


def fit_model(
    features: Matrix,
    arm: ArmVector,
    propensity: Vector,
    outcomes: Mapping[str, Vector],
    *,
    arms: Arms,
    encoder: FeatureEncoder,
    trainer: BoosterTrainer,
    parameters: Parameters,
    rounds: int,
    seed: int,
    weight: Vector | None = None,
    metadata: Mapping[str, str] | None = None,
) -> UpliftModel:
    """Fit a T-learner for every outcome given.

    Args:
        features: What ``encoder`` gives, shape (n, d).
        arm: The arm drawn, shape (n,).
        propensity: Chance of the arm drawn, shape (n,).
        outcomes: ``conversion`` (0 or 1), and ``revenue`` (euro) where it is to be modelled.
        arms: The campaign's arms.
        encoder: Made the features; it also tells which are categories.
        trainer: Fits one booster.
        parameters: LightGBM parameters (``training.booster``).
        rounds: Trees per arm (``training.rounds``).
        seed: Of every random choice (``training.seed``).
        weight: How many units a row stands for, shape (n,).
        metadata: Remarks that travel with the model and are no part of its version.
    """
    unknown = sorted(outcomes.keys() - _OBJECTIVES.keys())
    if unknown:
        raise ContractError(f"no learner for {unknown}; outcomes are {sorted(_OBJECTIVES)}.")
    ensembles = {
        outcome: fit_t_learner(
            TrainingData(features, arm, values, propensity, weight),
            len(arms.names),
            trainer,
            objective=_OBJECTIVES[outcome],
            parameters=parameters,
            rounds=rounds,
            categorical=encoder.categorical_indices,
            seed=seed,
            min_arm_rows=MIN_ARM_ROWS,
        )
        for outcome, values in outcomes.items()
    }
    return UpliftModel(arms, encoder, ensembles, metadata or {})
