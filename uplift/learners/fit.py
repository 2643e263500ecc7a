"""From rows to a model: one ensemble for every outcome that the log has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.arms import Arms
from uplift.columns import CONVERSION, REVENUE
from uplift.ensemble import FlatEnsemble
from uplift.errors import ConfigError, ContractError
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
from uplift.learners.families import FAMILIES, FORESTS
from uplift.learners.model import UpliftModel
from uplift.learners.recipe import DEFAULTS, Options, Recipe

MIN_ARM_ROWS = 100

# Revenue by least squares: that answers with the mean in euro, the scale on which an effect is a
# difference. A Tweedie model fits ratios, and its trees would look for heterogeneity in those.
_OBJECTIVES: Mapping[str, Objective] = {CONVERSION: "binary", REVENUE: "regression"}


@dataclass(frozen=True)
class Plan:
    """What is fitted and how, without the rows.

    Attributes:
        trainer: Fits one booster.
        parameters: LightGBM parameters (``training.booster``).
        rounds: Trees per booster (``training.rounds``).
        seed: Of every random choice (``training.seed``).
        learner: One of ``FAMILIES``.
        options: For the families that can be told more.

    Raises:
        ConfigError: There is no such learner.
    """

    trainer: BoosterTrainer
    parameters: Parameters
    rounds: int
    seed: int
    learner: str = "t_learner"
    options: Options = DEFAULTS

    def __post_init__(self) -> None:
        if self.learner not in FAMILIES:
            raise ConfigError(
                f"learner {self.learner!r} is none of the {len(FAMILIES)} families; "
                f"`training.candidates` may name {', '.join(FAMILIES)}."
            )

    @property
    def is_of_boosters(self) -> bool:
        """Whether only a ``BoosterTrainer`` fits, so that another one may do it elsewhere."""
        return self.learner not in FORESTS and self.options.linear is None

    def fit(
        self, data: TrainingData, outcome: str, n_arms: int, *, categorical: Sequence[int]
    ) -> FlatEnsemble:
        """Expected ``outcome`` (``conversion`` or ``revenue``) per arm, control first."""
        recipe = Recipe(
            trainer=self.trainer,
            objective=_OBJECTIVES[outcome],
            parameters=self.parameters,
            rounds=self.rounds,
            categorical=categorical,
            seed=self.seed,
            min_arm_rows=MIN_ARM_ROWS,
            options=self.options,
        )
        return FAMILIES[self.learner](data, n_arms, recipe)


def fit_model(
    features: Matrix,
    arm: ArmVector,
    propensity: Vector,
    outcomes: Mapping[str, Vector],
    *,
    arms: Arms,
    encoder: FeatureEncoder,
    plan: Plan,
    weight: Vector | None = None,
    cluster: npt.NDArray[np.object_] | None = None,
    propensities: Matrix | None = None,
    metadata: Mapping[str, str] | None = None,
) -> UpliftModel:
    """Fit a learner for every outcome given.

    Args:
        features: What ``encoder`` gives, shape (n, d).
        arm: The arm drawn, shape (n,).
        propensity: Chance of the arm drawn, shape (n,).
        outcomes: ``conversion`` (0 or 1), and ``revenue`` (euro) where it is to be modelled.
        arms: The campaign's arms.
        encoder: Made the features; it also tells which are categories.
        plan: What is fitted and how.
        weight: How many units a row stands for, shape (n,).
        cluster: The randomisation unit, as text, shape (n,).
        propensities: Chance of every arm where it differs between units, shape (n, K + 1).
        metadata: Remarks that travel with the model and are no part of its version.
    """
    unknown = sorted(outcomes.keys() - _OBJECTIVES.keys())
    if unknown:
        raise ContractError(f"no learner for {unknown}; outcomes are {sorted(_OBJECTIVES)}.")
    ensembles = {
        outcome: plan.fit(
            TrainingData(features, arm, values, propensity, weight, cluster, propensities),
            outcome,
            len(arms.names),
            categorical=encoder.categorical_indices,
        )
        for outcome, values in outcomes.items()
    }
    return UpliftModel(arms, encoder, ensembles, metadata or {})
