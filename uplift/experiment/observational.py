"""What a log without random arms can tell, and why one should doubt it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from uplift.arms import Arms
from uplift.experiment.adjusted import AdjustedEffect
from uplift.experiment.candidates import Choice, Kind
from uplift.experiment.overlap import EDGES, OverlapCounts, Trimming
from uplift.experiment.propensity import PropensityQuality
from uplift.experiment.refutation import Refutation
from uplift.experiment.sensitivity import MarginalBounds
from uplift.experiment.weighting import Target

_ODDS_OFF = 0.2  # of the log odds of a typical chance
_SHARE_BELOW = 0.05
_FEW_EFFECTIVE = 50
_IMBALANCE = 0.1  # of a standardised mean difference, as `experiment.imbalance_warn`
_SHARE_TRIMMED = 0.1
WEAK_GAMMA = 1.5  # factor on odds; below it mild hidden causes suffice


@dataclass(frozen=True)
class CovariateBalance:
    """How far one arm lies from control in one covariate, in standard deviations."""

    arm: str
    covariate: str
    before: float
    after: float


@dataclass(frozen=True)
class OutcomeEffect:
    """The average effect of one arm on one outcome, three ways.

    ``naive``: difference in means of all units; ``weighted``: of the units kept, weighted to the
    target; ``doubly_robust``: with expected outcomes too, the one to believe.
    """

    outcome: str
    arm: str
    naive: AdjustedEffect
    weighted: AdjustedEffect
    doubly_robust: AdjustedEffect


@dataclass(frozen=True)
class Sensitivity:
    """What hidden confounding an effect survives.

    Attributes:
        outcome: By name.
        arm: By name.
        e_value: Of the doubly robust effect.
        e_value_of_interval: Of the limit of its interval next to no effect.
        gamma: Least factor on the odds of the arm at which the weighted effect may be 0; None for
            the target ``overlap``, infinite where none was found.
        bounds: Of the weighted effect at the factor ``WEAK_GAMMA``; None likewise.
    """

    outcome: str
    arm: str
    e_value: float
    e_value_of_interval: float
    gamma: float | None
    bounds: MarginalBounds | None


@dataclass(frozen=True, eq=False)
class ObservationalReport:
    """All of it, for one log.

    Attributes:
        arms: Control and treatments.
        target: Whose average effect is told.
        floor: Of chances.
        n_clusters: Clusters in the log.
        kind: Model of the chances.
        outcome_kinds: Models of the expected outcomes, by outcome, per arm.
        quality: Of the chances.
        overlap: Before trimming.
        trimming: Who was left out.
        shift: How that moved the features' means, by name, in standard deviations.
        balance: Per treatment and covariate.
        effects: Per outcome and treatment.
        refutations: By ``outcome: arm``; of the first outcome.
        sensitivity: Per outcome and treatment.
    """

    arms: Arms
    target: Target
    floor: float
    n_clusters: int
    kind: Choice
    outcome_kinds: Mapping[str, tuple[Kind, ...]]
    quality: PropensityQuality
    overlap: OverlapCounts
    trimming: Trimming
    shift: Mapping[str, float]
    balance: tuple[CovariateBalance, ...]
    effects: tuple[OutcomeEffect, ...]
    refutations: Mapping[str, tuple[Refutation, ...]]
    sensitivity: tuple[Sensitivity, ...]

    @property
    def largest_imbalance(self) -> tuple[float, float]:
        """Largest |standardised mean difference| before and after."""
        return (
            max((abs(row.before) for row in self.balance), default=0.0),
            max((abs(row.after) for row in self.balance), default=0.0),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons for doubt in plain words; the first holds for every log of this kind."""
        return tuple(self._warnings())

    def to_document(self) -> dict[str, object]:
        """For JSON: finite numbers of nine digits, or null."""
        parts = vars(self) | {
            "arms": self.arms.names,
            "trimming": {
                "rule": self.trimming.rule,
                "lowest_chance": self.trimming.lowest_chance,
                "n_trimmed": self.trimming.n_trimmed,
            },
            "quality": asdict(self.quality),
            "overlap": {
                "n": self.overlap.n,
                "edges": EDGES,
                "histogram": self.overlap.histogram,
                "share_below_floor": self.overlap.share_below_floor,
                "effective_sample_size": self.overlap.effective_sample_size,
            },
            "largest_imbalance": self.largest_imbalance,
            "warnings": self.warnings,
        }
        return {name: _plain(part) for name, part in parts.items()}

    def _warnings(self) -> Iterator[str]:
        yield (
            "nobody drew these arms by chance: the effects hold only if the features name every "
            "cause that arm and outcome share"
        )
        yield from self._doubts_of_chances()
        yield from self._doubts_of_population()
        yield from self._doubts_of_effects()

    def _doubts_of_chances(self) -> Iterator[str]:
        quality = self.quality
        typically_off = np.abs(quality.slope - 1.0) * quality.spread
        is_sure = np.abs(quality.slope - 1.0) > 3.0 * quality.slope_error
        for k in np.flatnonzero((typically_off > _ODDS_OFF) & is_sure):
            name, slope = self.arms.names[k], quality.slope[k]
            lean = "extreme" if slope < 1.0 else "timid"
            yield f"the chances of arm {name!r} are too {lean}: calibration slope {slope:.2f}"
        for name, share in zip(self.arms.names, self.overlap.share_below_floor, strict=True):
            if share > _SHARE_BELOW:
                yield (
                    f"{share:.0%} of the units had a chance below {self.floor:g} of arm {name!r}: "
                    "about them the log cannot tell"
                )
        sizes = zip(
            self.arms.names, self.overlap.effective_sample_size, self.overlap.n, strict=True
        )
        for name, size, n in sizes:
            if size < min(_FEW_EFFECTIVE, n):
                yield (
                    f"weighted to everybody, the {n:,} units of arm {name!r} tell no more than "
                    f"{size:.0f}: a few speak for many"
                )

    def _doubts_of_population(self) -> Iterator[str]:
        n, n_trimmed = int(self.overlap.n.sum()), int(self.trimming.n_trimmed.sum())
        if n_trimmed > _SHARE_TRIMMED * n:
            moved = max(self.shift, key=lambda name: abs(self.shift[name]))
            yield (
                f"{n_trimmed:,} of {n:,} units are left out for want of overlap; the effects are "
                f"those of the others, whose {moved!r} lies {self.shift[moved]:+.2f} standard "
                "deviations from everybody's"
            )
        off = [row for row in self.balance if abs(row.after) > _IMBALANCE]
        if off:
            worst = max(off, key=lambda row: abs(row.after))
            yield (
                f"weights leave {len(off)} of {len(self.balance)} differences above {_IMBALANCE}: "
                f"arm {worst.arm!r} lies {worst.after:+.2f} standard deviations from control in "
                f"{worst.covariate!r}"
            )

    def _doubts_of_effects(self) -> Iterator[str]:
        for of, attempts in self.refutations.items():
            for attempt in attempts:
                if attempt.verdict == "warn":
                    yield f"{of}: {attempt.message}"
        for row in self.sensitivity:
            if row.gamma is not None and 1.0 < row.gamma < WEAK_GAMMA:
                yield (
                    f"{row.outcome}: a hidden cause that changes the odds of arm {row.arm!r} by a "
                    f"factor of {row.gamma:.2f} could explain its effect away"
                )


def _plain(part: object) -> object:
    """Lists, dictionaries, texts and numbers; what JSON does not know becomes null."""
    if isinstance(part, np.ndarray):
        return _plain(part.tolist())
    if isinstance(part, float):
        return float(f"{part:.9g}") if np.isfinite(part) else None
    if hasattr(part, "_asdict"):
        return _plain(part._asdict())
    if hasattr(part, "__dataclass_fields__"):
        return _plain({name: getattr(part, name) for name in part.__dataclass_fields__})
    if isinstance(part, Mapping):
        return {name: _plain(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_plain(value) for value in part]
    return part
