"""The section ``training``: which learners compete, and how they are fitted."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from uplift.config.section import Count, Folds, Name, Positive, Section

Booster = dict[str, bool | int | float | str]


class Forest(Section):
    """How a causal forest is grown; ``uplift.forest.ForestSettings`` says what each number does."""

    n_trees: Count = 200
    trees_per_group: Count = 2
    sample_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    is_honest: bool = True
    criterion: Literal["causal", "kl", "euclidean", "chi_square", "cts", "ddp"] = "causal"
    max_depth: Annotated[int, Field(ge=0, le=30)] = 6
    min_leaf_rows: Count = 200
    min_arm_rows: Count = 50
    features_per_node: Count | None = None

    @model_validator(mode="after")
    def _trees_fill_their_groups(self) -> "Forest":
        if self.n_trees % self.trees_per_group:
            raise ValueError(
                f"n_trees is {self.n_trees}, no multiple of trees_per_group "
                f"({self.trees_per_group})"
            )
        if self.trees_per_group > 1 and self.sample_share > 0.5:
            raise ValueError("sample_share is above 0.5, which groups of trees cannot share")
        return self


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
    ]
    booster: Annotated[Booster, Field(default_factory=dict)]
    rounds: Count | None = None
    cross_fitting_folds: Folds = 5
    arm_as: Literal["category", "face_value"] = "category"
    monotone: bool = False
    forest: Forest = Forest()

    @model_validator(mode="after")
    def _only_a_number_is_monotone(self) -> "Candidate":
        if self.monotone and (self.learner != "s_learner" or self.arm_as != "face_value"):
            raise ValueError(
                f"candidate {self.name!r} cannot be monotone: that takes `learner: s_learner` and "
                "`arm_as: face_value`"
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

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Training":
        names = ["response", *(candidate.name for candidate in self.candidates)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"the name {twice[0]!r} is given twice; give each candidate its own, and none that "
                "of the baseline, response"
            )
        return self
