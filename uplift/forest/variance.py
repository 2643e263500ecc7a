"""The effects of a forest with their standard errors."""

from dataclasses import dataclass

from uplift.ensemble.little_bags import effect_standard_errors
from uplift.errors import ContractError
from uplift.forest.bins import Matrix
from uplift.forest.forest import CausalForest


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects with their standard errors.

    Attributes:
        cate: Expected outcome of every treatment minus that of control, shape (n, K).
        standard_error: Of the same, shape (n, K). It knows nothing of bias: an interval is valid
            where leaves are small enough that the effect hardly varies inside them.
    """

    cate: Matrix
    standard_error: Matrix


def effects_with_errors(forest: CausalForest, features: Matrix) -> Effects:
    """The effects of each row, with standard errors from little bags.

    Args:
        forest: Grown honestly, with at least 2 trees per group and a few hundred groups.
        features: Shape (n, d).

    Raises:
        ContractError: The trees do not stand in groups, or there is one group only.
    """
    error = effect_standard_errors(forest.ensemble, features)
    if error is None:
        settings = forest.settings
        raise ContractError(
            f"standard errors compare groups of trees; this forest has {settings.n_groups} of "
            f"{settings.trees_per_group} trees. Grow it with trees_per_group of 2 or more."
        )
    return Effects(forest.cate(features), error)
