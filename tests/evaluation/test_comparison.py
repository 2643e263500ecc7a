import numpy as np
import pytest

from uplift.evaluation.comparison import choose, mean_autoc
from uplift.evaluation.metrics import autoc
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.evaluation.resampling import Floats

N_ROWS = 600


def rows() -> tuple[Floats, np.ndarray, Floats, np.ndarray]:
    rng = np.random.default_rng(1)
    effect = rng.random((N_ROWS, 2))
    arm = rng.integers(0, 3, N_ROWS)
    gain = np.column_stack([np.zeros(N_ROWS), effect])[np.arange(N_ROWS), arm]
    return effect, arm, gain + rng.normal(size=N_ROWS), np.arange(N_ROWS) % 2


def ours(effect: Floats, fold: np.ndarray, *, keys: np.ndarray | None = None) -> Floats:
    _, arm, outcome, _ = rows()
    return mean_autoc(
        effect,
        arm,
        outcome,
        fold=fold,
        weight=np.ones(N_ROWS),
        keys=np.arange(N_ROWS, dtype=np.uint64) if keys is None else keys,
        replicates=50,
        seed=1,
        max_blocks=1000,
    )


def test_autoc_is_averaged_over_folds_and_treatments() -> None:
    effect, arm, outcome, fold = rows()
    parts = []
    for number in (0, 1):
        for treatment in (1, 2):
            own = (fold == number) & ((arm == 0) | (arm == treatment))
            sums = ranked_sums(
                effect[own, treatment - 1], arm[own] // treatment, outcome[own], n_arms=2
            )
            parts.append(autoc(sums, 1)[0])
    assert ours(effect, fold)[0] == pytest.approx(np.mean(parts))


def test_rankings_of_different_folds_are_never_mixed() -> None:
    effect, _, _, fold = rows()
    elsewhere = effect + 100.0 * fold[:, np.newaxis]
    np.testing.assert_allclose(ours(elsewhere, fold), ours(effect, fold), atol=1e-12)


def test_a_unit_may_have_drawn_another_arm_in_another_experiment() -> None:
    effect, _, _, _ = rows()
    everybody_twice = np.arange(N_ROWS, dtype=np.uint64) // 2
    together = ours(effect, np.zeros(N_ROWS, dtype=np.int64), keys=everybody_twice)
    apart = ours(effect, np.zeros(N_ROWS, dtype=np.int64))
    assert together[0] == apart[0]
    assert together[1:].tolist() != apart[1:].tolist()


def test_a_constant_priority_is_worth_nothing() -> None:
    _, _, _, fold = rows()
    np.testing.assert_allclose(ours(np.zeros((N_ROWS, 2)), fold), 0.0, atol=1e-12)


def test_a_ranking_turned_round_is_negative() -> None:
    effect, _, _, fold = rows()
    assert ours(effect, fold)[0] > 0 > ours(-effect, fold)[0]


def replicates(mean: float, noise: Floats) -> Floats:
    return np.append(mean, mean + noise)


NOISE = np.random.default_rng(2).normal(size=200)
OTHER = np.random.default_rng(3).normal(size=200)


def test_a_clear_lead_wins() -> None:
    assert choose({"simple": replicates(0.0, NOISE), "best": replicates(9.0, OTHER)}) == "best"


def test_within_one_standard_error_the_simpler_wins() -> None:
    assert choose({"simple": replicates(0.0, NOISE), "best": replicates(1.0, OTHER)}) == "simple"


def test_what_both_owe_to_the_same_luck_does_not_hide_a_lead() -> None:
    metrics = {"simple": replicates(0.0, 9.0 * NOISE), "best": replicates(1.0, 9.0 * NOISE)}
    assert choose(metrics) == "best"


def test_the_first_of_several_that_are_as_good_wins() -> None:
    metrics = {
        "poor": replicates(-9.0, NOISE),
        "simple": replicates(0.5, NOISE),
        "other": replicates(0.5, OTHER),
        "best": replicates(0.6, OTHER),
    }
    assert choose(metrics) == "simple"


def test_equals_go_to_the_first() -> None:
    assert choose({"a": replicates(1.0, NOISE), "b": replicates(1.0, NOISE)}) == "a"


def test_one_alone_is_the_best() -> None:
    assert choose({"only": replicates(-1.0, NOISE)}) == "only"
