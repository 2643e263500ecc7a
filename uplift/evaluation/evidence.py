"""From the sums of rows to what the gate wants to know."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from uplift.arms import Arms
from uplift.config import Gate
from uplift.evaluation.calibration import calibrate_effects
from uplift.evaluation.gate import Evidence, surer
from uplift.evaluation.metrics import ate
from uplift.evaluation.policy_sums import PolicySums
from uplift.evaluation.policy_value import hajek_value
from uplift.evaluation.proof import RankingTest, combine, ranking_test
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.stability import Stability, StabilityLimits, compare_refits
from uplift.evaluation.uncertainty import from_replicates


def gather_evidence(
    arms: Arms,
    rankings: Sequence[RankedSums],
    policies: PolicySums,
    whole_log: RankedSums,
    *,
    challenger: str,
    earlier: Mapping[str, Sequence[RankingTest]],
    halves: tuple[Floats, Floats] | None,
    rules: Gate,
    level: float,
) -> Evidence:
    """Answer every question of the gate with a number.

    Args:
        arms: Of the campaign.
        rankings: Of held-out rows for treatments 1..K, each by the challenger's cate.
        policies: On net value in euro: the constant ones, the challenger's and its rivals'.
        whole_log: Any ranking of all rows of the log, training rows too.
        challenger: The name of its policy.
        earlier: Tests on training rows by models that had not seen them, by treatment.
        halves: Effects of the same held-out customers by two refits, each of shape (n, K).
        rules: ``evaluation.gate``.
        level: Of the intervals.
    """
    strict = surer(level, arms.n_treatments)
    numbers = dict(enumerate(arms.treatments, 1))
    calibrations = {
        name: calibrate_effects(rankings[k - 1], k, level=strict, tolerance=rules.slope_tolerance)
        for k, name in numbers.items()
    }
    slopes = {name: found.slope.estimate for name, found in calibrations.items()}
    own = hajek_value(policies, challenger)
    return Evidence(
        average={
            name: from_replicates(ate(whole_log, k), level=strict) for k, name in numbers.items()
        },
        proofs={
            name: combine([*earlier.get(name, ()), ranking_test(rankings[k - 1], k)])
            for k, name in numbers.items()
        },
        calibrations=calibrations,
        stability=_stability(arms, halves, slopes, rules) if halves else {},
        leads={
            rival: from_replicates(own - hajek_value(policies, rival), level=level)
            for rival in policies.names
            if rival != challenger
        },
    )


class _Test(BaseModel):
    z: float | None
    rows: int


class _Sequential(BaseModel):
    tests: dict[str, tuple[_Test, ...]]


class _Training(BaseModel):
    """What the gate reads of the report ``training``."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str
    sequential: _Sequential


def earlier_tests(
    training: Mapping[str, object], model_version: str
) -> dict[str, tuple[RankingTest, ...]]:
    """Tests on training rows by treatment, of the report ``training``; none of another model's."""
    report = _Training.model_validate(training)
    if report.model_version != model_version:
        return {}
    return {
        name: tuple(RankingTest(math.nan if t.z is None else t.z, t.rows) for t in tests)
        for name, tests in report.sequential.tests.items()
    }


def _stability(
    arms: Arms, halves: tuple[Floats, Floats], slopes: Mapping[str, float], rules: Gate
) -> dict[str, Stability]:
    limits = StabilityLimits(**rules.stability.model_dump())
    found = {}
    for k, name in enumerate(arms.treatments):
        effects = (np.asarray(half[:, k]) for half in halves)
        found[name] = compare_refits(*effects, slope=slopes[name], limits=limits)
    return found
