"""How a forest is grown: every number that a user may turn, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from uplift.errors import ConfigError

Criterion: TypeAlias = Literal["causal", "kl", "euclidean", "chi_square", "cts", "ddp"]

# The kernels know criteria by number.
CRITERIA: Mapping[str, int] = {name: number for number, name in enumerate(get_args(Criterion))}

MOST_DEPTH = 30


@dataclass(frozen=True)
class ForestSettings:
    """What is grown and how far.

    Attributes:
        n_trees: Trees in all; a multiple of ``trees_per_group``.
        trees_per_group: Trees that share one half of the log (a little bag). Standard errors need
            at least 2; with 1 every tree draws from the whole log.
        sample_share: Share of the units that a tree sees, drawn without replacement; at most one
            half where trees stand in groups.
        is_honest: One half of a tree's units finds the splits, the other fills the leaves. False
            lets the same units do both: then effects are too large and standard errors too small.
        criterion: What a split is to increase; see ``uplift.forest.criteria``.
        is_normalised: Divide gains of kl, euclidean or chi_square by what a split costs.
        max_depth: Splits on the longest way to a leaf, 0 to 30.
        min_leaf_rows: Least rows of a child, all arms together, in the growing half.
        min_arm_rows: Least rows of every arm in a child, in the growing half.
        min_child_share: Least share of its parent's rows that a child holds. Intervals are only
            valid if it is positive (Wager and Athey 2018 ask for alpha-regular trees), and if
            leaves are small: see ``for_intervals``. The defaults are for ranking.
        split_shrinkage: Rows of the parent that are mixed into every arm of a child while splits
            are compared.
        leaf_shrinkage: Rows of the parent that are mixed into every arm of a leaf. 0 leaves the
            honest mean alone; an arm without rows in a leaf answers as the parent either way.
        features_per_node: Features drawn for every node; None takes all.
        features_per_tree: Features drawn for every tree; None takes all.
        shard_rows: A log of more than about one and a half times as many rows is cut into shards
            of this size, by hash of the randomisation unit. A tree finds its splits in one shard
            of its sample and fills its leaves from all the rest of it. So a tree fits into a task
            of a cluster, and on one machine the time to grow stops growing with the log.

    Raises:
        ConfigError: A number is out of its range, or two do not fit together.
    """

    n_trees: int = 200
    trees_per_group: int = 2
    sample_share: float = 0.5
    is_honest: bool = True
    criterion: Criterion = "causal"
    is_normalised: bool = False
    max_depth: int = 6
    min_leaf_rows: int = 200
    min_arm_rows: int = 50
    min_child_share: float = 0.05
    split_shrinkage: float = 0.0
    leaf_shrinkage: float = 0.0
    features_per_node: int | None = None
    features_per_tree: int | None = None
    shard_rows: int = 20_000_000

    def __post_init__(self) -> None:
        if self.criterion not in CRITERIA:
            raise ConfigError(
                f"criterion is {self.criterion!r}; a forest knows {', '.join(CRITERIA)}."
            )
        if self.is_normalised and self.criterion not in ("kl", "euclidean", "chi_square"):
            raise ConfigError(
                f"criterion {self.criterion!r} knows no normalisation. Leave `is_normalised` out, "
                "or take kl, euclidean or chi_square."
            )
        most_share = 1.0 if self.trees_per_group == 1 else 0.5
        for name, low, high in (
            ("n_trees", 1, float("inf")),
            ("trees_per_group", 1, self.n_trees),
            ("sample_share", 1e-9, most_share),
            ("max_depth", 0, MOST_DEPTH),
            ("min_leaf_rows", 1, float("inf")),
            ("min_arm_rows", 1, float("inf")),
            ("min_child_share", 0.0, 0.5),
            ("split_shrinkage", 0.0, float("inf")),
            ("leaf_shrinkage", 0.0, float("inf")),
            ("features_per_node", 1, float("inf")),
            ("features_per_tree", 1, float("inf")),
            ("shard_rows", 1, float("inf")),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(f"{name} is {value}; it must lie between {low:g} and {high:g}.")
        if self.n_trees % self.trees_per_group:
            raise ConfigError(
                f"n_trees is {self.n_trees}, no multiple of trees_per_group "
                f"({self.trees_per_group}); standard errors compare whole groups."
            )

    @classmethod
    def for_intervals(cls, n_trees: int = 1000) -> "ForestSettings":
        """Leaves as small as they can be, balanced splits, many groups: for intervals of effects.

        On the smooth design of Wager and Athey (JASA 2018, equation 28) with 2,000 to 10,000 rows,
        95 % intervals from these settings cover the effect of 90 to 98 % of new customers. The
        defaults are for ranking: leaves of hundreds of rows average over customers whose effects
        differ, and no standard error knows of that. Where features are many or effects jump, no
        settings make intervals valid.
        """
        return cls(
            n_trees=n_trees, max_depth=14, min_leaf_rows=4, min_arm_rows=1, min_child_share=0.2
        )

    @property
    def n_groups(self) -> int:
        """How many little bags there are."""
        return self.n_trees // self.trees_per_group

    def n_shards(self, n_rows: int) -> int:
        """Into how many shards a log of ``n_rows`` is cut."""
        return max(1, round(n_rows / self.shard_rows))
