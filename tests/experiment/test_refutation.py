import numpy as np
import pytest

from tests.experiment.builders import confounded, log_of
from uplift.errors import OverlapError
from uplift.experiment.adjusted import AdjustedEffect, naive_effect
from uplift.experiment.observed import ObservedLog
from uplift.experiment.refutation import placebo, random_cause, refute, shuffled_arms, subset

BEFORE = AdjustedEffect(2.0, 0.1)


def regression(log: ObservedLog) -> AdjustedEffect:
    """Least squares of the outcome on arm and features: the simplest estimate that is right."""
    design = np.column_stack([log.arm == 1, np.ones(log.n), log.features])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ log.outcome
    noise = np.var(log.outcome - design @ coefficients)
    return AdjustedEffect(float(coefficients[0]), float(np.sqrt(noise * inverse[0, 0])))


def plain(log: ObservedLog) -> AdjustedEffect:
    return naive_effect(log, k=1)


@pytest.fixture(scope="module")
def log_and_chances():
    return confounded(3000)


def test_a_right_estimate_passes_all_attempts(log_and_chances):
    log, chances = log_and_chances
    found = refute(log, regression, chances, seed=1)
    assert [attempt.name for attempt in found] == ["placebo", "random_cause", "subset"]
    assert {attempt.verdict for attempt in found} == {"pass"}
    assert abs(found[0].after.value) < 3 * found[0].after.standard_error
    assert found[1].before == regression(log)


def test_a_placebo_finds_out_an_estimate_that_ignores_the_causes(log_and_chances):
    log, chances = log_and_chances
    found = placebo(log, plain, chances, seed=1, before=BEFORE)
    assert found.verdict == "warn"
    assert "an arm that does nothing" in found.message
    assert "further than" in found.message


def test_an_estimate_that_noise_can_move_is_found_out(log_and_chances):
    log, _ = log_and_chances

    def fickle(changed: ObservedLog) -> AdjustedEffect:
        return AdjustedEffect(2.0 + (changed.features.shape[1] > 3), 0.1)

    assert random_cause(log, fickle, seed=1, before=BEFORE).verdict == "warn"
    assert random_cause(log, lambda _: BEFORE, seed=1, before=BEFORE).verdict == "pass"


def test_an_estimate_that_hangs_on_a_few_units_is_found_out(log_and_chances):
    log, _ = log_and_chances

    def counting(changed: ObservedLog) -> AdjustedEffect:
        return AdjustedEffect(2.0 * changed.n / log.n, 0.1)

    found = subset(log, counting, seed=1, before=BEFORE)
    assert found.verdict == "warn"
    assert found.after.value == pytest.approx(1.6, abs=0.06)  # 4 SE of a share of 3,000


def test_shuffled_arms_keep_sizes_clusters_and_the_rarity_of_treatment():
    generator = np.random.default_rng(2)
    household = np.repeat(np.arange(500), 3)
    chance = np.repeat(generator.random(500) ** 3, 3)
    arm = np.repeat((generator.random(500) < chance[::3]).astype(int), 3)
    log = log_of(chance[:, None], arm, chance, cluster_ids=[str(h) for h in household])
    shuffled = shuffled_arms(log, np.column_stack([1 - chance, chance]), generator)
    assert shuffled.sum() == arm.sum()
    assert np.ptp(shuffled.reshape(500, 3), axis=1).max() == 0
    assert not np.array_equal(shuffled, arm)
    # the treated still have the chances of the treated: 4 SE of a mean of about 125 households
    assert chance[shuffled == 1].mean() == pytest.approx(chance[arm == 1].mean(), abs=0.1)
    assert chance[shuffled == 1].mean() > 2 * chance[shuffled == 0].mean()


def test_a_log_that_becomes_too_thin_is_doubted_not_hidden(log_and_chances):
    log, chances = log_and_chances

    def no_overlap(_: ObservedLog) -> AdjustedEffect:
        raise OverlapError("nobody in common")

    found = placebo(log, no_overlap, chances, seed=1, before=BEFORE)
    assert (found.after, found.verdict) == (None, "warn")
    assert "too few units are left" in found.message


def test_the_same_seed_makes_the_same_attempts(log_and_chances):
    log, chances = log_and_chances
    one, again = (refute(log, regression, chances, seed=7, before=BEFORE) for _ in range(2))
    other = refute(log, regression, chances, seed=8, before=BEFORE)
    assert one == again
    assert one != other
