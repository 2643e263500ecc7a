"""The section ``evaluation``: how held-out rows judge a model, and what the gate asks of it."""

from typing import Annotated

from pydantic import Field

from uplift.config.section import NonNegative, Section


class StabilityRules(Section):
    """What two half-refits must agree on."""

    warn_spearman: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.35
    block_spearman: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.25
    warn_slope: float = 0.7
    block_slope: float = 0.5


class Gate(Section):
    """What a challenger must show before it serves."""

    require_average_effect: bool = True
    sequential_folds: Annotated[int, Field(ge=1, le=20)] = 3
    tolerance_eur_per_1000: NonNegative = 0.0
    tolerance_standard_errors: NonNegative = 1.0
    slope_tolerance: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    stability: StabilityRules = StabilityRules()


class Evaluation(Section):
    """How the held-out rows judge a ranking."""

    replicates: Annotated[int, Field(ge=20)]
    blocks: Annotated[int, Field(ge=10)]
    level: Annotated[float, Field(gt=0.5, lt=1.0)]
    seed: int
    budget_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    gate: Gate = Gate()
