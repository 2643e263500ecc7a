"""The section ``training.tuning``: what a search for better settings may try, and for how long."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from uplift.config.section import Count, Positive, Section

Choices = Annotated[tuple[bool | int | float | str, ...], Field(min_length=1)]


class SearchRange(Section):
    """From ``low`` to ``high``, both included; ``log``: every order of magnitude is as likely."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> "SearchRange":
        if not self.low <= self.high or (self.log and self.low <= 0.0):
            raise ValueError(
                f"the range from {self.low:g} to {self.high:g} is empty, or logarithmic and not "
                "above 0"
            )
        return self


Space = Mapping[str, SearchRange | Choices]

USUAL_SPACE: Space = {
    "rounds": SearchRange(low=20, high=300, log=True),
    "learning_rate": SearchRange(low=0.01, high=0.2, log=True),
    "num_leaves": SearchRange(low=2, high=31, log=True),
    "min_data_in_leaf": SearchRange(low=50, high=2000, log=True),
    "lambda_l2": SearchRange(low=0.1, high=100.0, log=True),
    "feature_fraction": SearchRange(low=0.4, high=1.0),
}


class Tuning(Section):
    """A budgeted search over learners and the settings of their boosters."""

    trials: Count = 40
    seconds: Positive | None = None
    learners: Annotated[
        tuple[
            Literal[
                "t_learner",
                "s_learner",
                "class_transformation",
                "transformed_outcome",
                "reparametrised",
                "x_learner",
                "r_learner",
                "dr_learner",
            ],
            ...,
        ],
        Field(min_length=1),
    ] = ("t_learner", "reparametrised", "x_learner")
    space: dict[str, SearchRange | Choices] = Field(default_factory=lambda: dict(USUAL_SPACE))
    unpruned_trials: Annotated[int, Field(ge=1)] = 5
