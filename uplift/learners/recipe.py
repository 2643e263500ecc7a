"""What every family of learners needs beside the rows: how its boosters are fitted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from uplift.ensemble import FlatEnsemble, compile_lightgbm
from uplift.forest import ForestSettings
from uplift.learners.base import BoosterTrainer, Matrix, Objective, Parameters, Vector
from uplift.learners.data import TrainingData


@dataclass(frozen=True)
class Options:
    """What some families can be told; the others do not ask.

    Attributes:
        n_folds: Of cross-fitting (R and DR).
        face_values: What an arm is worth to the customer, in euro, control first; an S-learner
            then sees this number. None: it sees the arm as a category.
        monotone: A higher face value never lowers what an S-learner expects.
        forest: How a causal forest is grown.
        doubly_robust: A causal forest looks at doubly robust scores, not at outcomes.
        on_spark: A causal forest of the whole log grows where the log is; whoever has it sees to
            that (``uplift.spark.forest_model``), and ``Plan.fit`` still grows it here.
    """

    n_folds: int = 5
    face_values: tuple[float, ...] | None = None
    monotone: bool = False
    forest: ForestSettings = field(default_factory=ForestSettings)
    doubly_robust: bool = False
    on_spark: bool = False


DEFAULTS = Options()


@dataclass(frozen=True)
class Recipe:
    """A trainer of boosters with its settings; all boosters of a learner share them.

    Attributes:
        trainer: Fits one booster.
        objective: Of expected outcomes: ``binary`` for a conversion, ``regression`` for a mean.
        parameters: LightGBM parameters.
        rounds: Trees per booster.
        categorical: Columns whose numbers are categories.
        seed: Of every random choice, folds too.
        min_arm_rows: An arm with fewer rows is an error.
        options: For the families that can be told more.
    """

    trainer: BoosterTrainer
    objective: Objective
    parameters: Parameters
    rounds: int
    categorical: Sequence[int]
    seed: int
    min_arm_rows: int
    options: Options = DEFAULTS

    def require(self, data: TrainingData, n_arms: int) -> None:
        """Every arm has rows enough, and the outcome is what the objective takes it for."""
        data.require_arms(n_arms, at_least=self.min_arm_rows)
        if self.objective == "binary":
            data.require_binary()

    def outcome_model(
        self,
        features: Matrix,
        outcome: Vector,
        weight: Vector | None,
        *,
        init_score: Vector | None = None,
        categorical: Sequence[int] | None = None,
        increasing: Sequence[int] = (),
    ) -> FlatEnsemble:
        """The expected outcome, fitted with the objective of outcomes."""
        text = self.trainer.train(
            features,
            outcome,
            weight=weight,
            objective=self.objective,
            parameters=self.parameters,
            rounds=self.rounds,
            categorical=self.categorical if categorical is None else categorical,
            seed=self.seed,
            init_score=init_score,
            increasing=increasing,
        )
        return compile_lightgbm(text)

    def mean_model(self, features: Matrix, values: Vector, weight: Vector | None) -> FlatEnsemble:
        """The mean of any values, fitted by least squares: sums of such models are models."""
        text = self.trainer.train(
            features,
            values,
            weight=weight,
            objective="regression",
            parameters=self.parameters,
            rounds=self.rounds,
            categorical=self.categorical,
            seed=self.seed,
        )
        return compile_lightgbm(text)


Learner: TypeAlias = Callable[[TrainingData, int, Recipe], FlatEnsemble]
"""Rows, K + 1 and a recipe give expected outcomes per arm, control first."""
