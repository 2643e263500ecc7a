"""What every family of learners needs beside the rows: how its boosters are fitted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from uplift.ensemble import FlatEnsemble, compile_lightgbm
from uplift.errors import ConfigError
from uplift.forest import ForestSettings
from uplift.learners.base import BoosterTrainer, Matrix, Objective, Parameters, Vector
from uplift.learners.data import TrainingData
from uplift.learners.linear import LinearSettings, fit_linear

CausalmlCriterion: TypeAlias = Literal[
    "kl", "euclidean", "chi_square", "cts", "ddp", "it", "cit", "iddp"
]


@dataclass(frozen=True)
class CausalmlSettings:
    """How causalml's forests are grown; its own names in brackets.

    Attributes:
        n_trees: (``n_estimators``).
        criterion: What a split of an uplift forest is to increase (``evaluationFunction``); ddp,
            it, cit and iddp know one treatment only. A causal forest does not ask.
        max_depth: Splits on the longest way to a leaf (``max_depth``).
        min_leaf_rows: Least rows of a leaf (``min_samples_leaf``).
        min_arm_rows: Least rows of every arm in a leaf (``min_samples_treatment``,
            ``min_group_samples``).
        is_honest: Some rows of an uplift forest find the splits, others fill the leaves
            (``honesty``). A causal forest always is.
        features_per_node: Features drawn for every node (``max_features``); None takes all.
        shrinkage_rows: Rows of the parent mixed into a child of an uplift forest (``n_reg``).
        normalization: Splits that part the arms unevenly count less (``normalization``).
        max_rows: Rows that are fitted; of more a sample is taken.
    """

    n_trees: int = 100
    criterion: CausalmlCriterion = "kl"
    max_depth: int = 6
    min_leaf_rows: int = 200
    min_arm_rows: int = 50
    is_honest: bool = False
    features_per_node: int | None = None
    shrinkage_rows: int = 100
    normalization: bool = True
    max_rows: int = 100_000


@dataclass(frozen=True)
class Options:
    """What some families can be told; the others do not ask.

    Attributes:
        n_folds: Of cross-fitting (R and DR).
        face_values: What an arm is worth to the customer, in euro, control first; an S-learner
            then sees this number. None: it sees the arm as a category.
        monotone: A higher face value never lowers what an S-learner expects.
        forest: How a causal forest is grown.
        causalml: How causalml's forests are grown.
        linear: Linear models of these settings take the place of boosters; None: boosters.
        doubly_robust: A causal forest looks at doubly robust scores, not at outcomes.
        on_spark: A causal forest of the whole log grows where the log is; whoever has it sees to
            that (``uplift.spark.forest_model``), and ``Plan.fit`` still grows it here.
    """

    n_folds: int = 5
    face_values: tuple[float, ...] | None = None
    monotone: bool = False
    forest: ForestSettings = field(default_factory=ForestSettings)
    causalml: CausalmlSettings = field(default_factory=CausalmlSettings)
    linear: LinearSettings | None = None
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

    def require_boosters(self, family: str, why: str) -> None:
        """Refuse linear models where the family's algebra has no use for them.

        Raises:
            ConfigError: The base is linear.
        """
        if self.options.linear is not None:
            raise ConfigError(
                f"`{family}` cannot be had with `base: linear`: {why}. Give the candidate in "
                "`training.candidates` another learner, or `base: booster`."
            )

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
        if self.options.linear is not None:
            return self._linear_model(
                features, outcome, weight, self.objective, self.options.linear
            )
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
        if self.options.linear is not None:
            return self._linear_model(features, values, weight, "regression", self.options.linear)
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

    def _linear_model(
        self,
        features: Matrix,
        values: Vector,
        weight: Vector | None,
        objective: Objective,
        settings: LinearSettings,
    ) -> FlatEnsemble:
        return fit_linear(
            features,
            values,
            weight,
            objective=objective,
            categorical=self.categorical,
            settings=settings,
        )


Learner: TypeAlias = Callable[[TrainingData, int, Recipe], FlatEnsemble]
"""Rows, K + 1 and a recipe give expected outcomes per arm, control first."""
