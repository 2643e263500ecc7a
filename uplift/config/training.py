"""The section ``training``: which learners compete, and how they are fitted."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from uplift.config.section import Count, Folds, Name, Positive, Section
from uplift.config.tuning import Tuning

BOOSTERS_ONLY = (
    "s_learner",
    "reparametrised",
    "causal_forest",
    "uplift_forest",
    "causalml_causal_forest",
)

Booster = dict[str, bool | int | float | str]


class Forest(Section):
    """How a causal forest is grown; ``uplift.forest.ForestSettings`` says what each number does."""

    n_trees: Count = 200
    trees_per_group: Count = 2
    sample_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    is_honest: bool = True
    criterion: Literal["causal", "kl", "euclidean", "chi_square", "cts", "ddp"] = "causal"
    is_normalised: bool = False
    max_depth: Annotated[int, Field(ge=0, le=30)] = 6
    min_leaf_rows: Count = 200
    min_arm_rows: Count = 50
    min_child_share: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05
    split_shrinkage: Annotated[float, Field(ge=0.0)] = 0.0
    leaf_shrinkage: Annotated[float, Field(ge=0.0)] = 0.0
    features_per_node: Count | None = None
    features_per_tree: Count | None = None
    shard_rows: Count = 20_000_000

    @model_validator(mode="after")
    def _numbers_fit_together(self) -> "Forest":
        if self.n_trees % self.trees_per_group:
            raise ValueError(
                f"n_trees is {self.n_trees}, no multiple of trees_per_group "
                f"({self.trees_per_group})"
            )
        if self.is_normalised and self.criterion not in ("kl", "euclidean", "chi_square"):
            raise ValueError(
                f"criterion {self.criterion} knows no normalisation: is_normalised is for kl, "
                "euclidean and chi_square"
            )
        if self.trees_per_group > 1 and self.sample_share > 0.5:
            raise ValueError("sample_share is above 0.5, which groups of trees cannot share")
        return self


class Causalml(Section):
    """How causalml's forests are grown; ``uplift.learners.recipe.CausalmlSettings`` says more."""

    n_trees: Count = 100
    criterion: Literal["kl", "euclidean", "chi_square", "cts", "ddp", "it", "cit", "iddp"] = "kl"
    max_depth: Annotated[int, Field(ge=1, le=30)] = 6
    min_leaf_rows: Count = 200
    min_arm_rows: Count = 50
    is_honest: bool = False
    features_per_node: Count | None = None
    shrinkage_rows: Annotated[int, Field(ge=0)] = 100
    normalization: bool = True
    max_rows: Count = 100_000


class Linear(Section):
    """How logistic and ridge regression are fitted, where they are the base."""

    l2: Positive = 1.0


class Candidate(Section):
    """A learner that competes for the place of the challenger."""

    name: Name
    learner: Literal[
        "t_learner",
        "s_learner",
        "class_transformation",
        "transformed_outcome",
        "reparametrised",
        "x_learner",
        "r_learner",
        "dr_learner",
        "causal_forest",
        "uplift_forest",
        "causalml_causal_forest",
    ]
    base: Literal["booster", "linear"] = "booster"
    linear: Linear = Linear()
    booster: Annotated[Booster, Field(default_factory=dict)]
    rounds: Count | None = None
    cross_fitting_folds: Folds = 5
    arm_as: Literal["category", "face_value"] = "category"
    monotone: bool = False
    forest: Forest = Forest()
    causalml: Causalml = Causalml()
    doubly_robust: bool = False
    on_spark: bool = False

    @model_validator(mode="after")
    def _only_a_number_is_monotone(self) -> "Candidate":
        if self.monotone and (self.learner != "s_learner" or self.arm_as != "face_value"):
            raise ValueError(
                f"candidate {self.name!r} cannot be monotone: that takes `learner: s_learner` and "
                "`arm_as: face_value`"
            )
        return self

    @model_validator(mode="after")
    def _a_linear_base_fits_the_learner(self) -> "Candidate":
        if self.base == "linear" and self.learner in BOOSTERS_ONLY:
            raise ValueError(
                f"candidate {self.name!r} has `base: linear`, which {self.learner} cannot use; "
                "t_learner is the s_learner with all interactions of arm and features"
            )
        return self

    @model_validator(mode="after")
    def _only_a_forest_grows_otherwise(self) -> "Candidate":
        if (self.doubly_robust or self.on_spark) and self.learner != "causal_forest":
            raise ValueError(
                f"candidate {self.name!r} is no forest: doubly_robust and on_spark take "
                "`learner: causal_forest`"
            )
        if self.doubly_robust and self.on_spark:
            raise ValueError(
                f"candidate {self.name!r} cannot be doubly_robust on_spark: its helper models are "
                "fitted on one machine; leave one of the two out"
            )
        if self.doubly_robust and self.forest.criterion in ("kl", "chi_square"):
            raise ValueError(
                f"candidate {self.name!r} cannot be doubly_robust with criterion "
                f"{self.forest.criterion}, which compares distributions; take causal, euclidean, "
                "cts or ddp"
            )
        return self


class Training(Section):
    """Which learners are fitted, how, and how they are compared."""

    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)]
    folds: Folds
    test_share: Annotated[float, Field(gt=0.0, lt=1.0)]
    salt: str
    seed: int
    max_rows: Count
    trainer: Literal["local", "spark"]
    workers: Count | None
    peer_timeout_s: Positive
    booster: Booster
    rounds: Count
    tuning: Tuning | None = None

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Training":
        taken = ["response"] if self.tuning is None else ["response", "tuned"]
        names = [*taken, *(candidate.name for candidate in self.candidates)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"the name {twice[0]!r} is given twice; give each candidate its own, and none that "
                "of the baseline, response, or of what tuning finds, tuned"
            )
        return self
