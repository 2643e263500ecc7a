import numpy as np
import pytest

from uplift.evaluation.prediction_error import ErrorSums, ErrorSumsPlan


def sums(decided, arm, propensity, error, *, replicates=0, keys=None):
    n = len(arm)
    error, propensity = np.asarray(error, float), np.asarray(propensity, float)
    plan = ErrorSumsPlan.for_rows(
        n,
        float(np.abs(error / propensity).max()),
        n_treatments=2,
        replicates=replicates,
        seed=3,
    )
    keys = np.arange(n, dtype=np.uint64) * np.uint64(7919) if keys is None else keys
    parts = plan.add_up(np.asarray(decided), np.asarray(arm), propensity, error, keys)
    return plan.finish(parts)


def test_rows_speak_for_the_arm_decided_and_control_against_it():
    """Arm 1 for three rows: drawn once, error 2 / 0.5; control once, 1 / 0.25; one is mute."""
    found = sums(
        [[1], [1], [1], [0], [2]], [1, 0, 2, 0, 2], [0.5, 0.25, 0.25, 0.5, 0.5], [2, 1, 9, 9, 3]
    )
    assert found.n[0].tolist() == [[3.0, 1.0]]
    assert found.error[0].tolist() == [[4.0 - 4.0, 6.0]]


def test_the_correction_is_the_error_per_offer_times_tonights_offers():
    found = ErrorSums(n=np.array([[[2.0, 4.0]]]), error=np.array([[[-1.0, 8.0]]]))
    assert found.corrected(0, 100.0, [10, 3], 0.95).estimate == 100.0 - 5.0 + 6.0


def test_an_arm_that_no_held_out_row_got_is_left_as_expected():
    found = ErrorSums(n=np.array([[[0.0, 4.0]]]), error=np.array([[[0.0, 8.0]]]))
    assert found.corrected(0, 100.0, [10, 0], 0.95).estimate == 100.0


def test_the_winners_curse_is_found_and_taken_back():
    """All effects are 0; a policy that picks the best of noisy predictions expects a profit."""
    rng = np.random.default_rng(8)
    n, level = 40_000, 0.95
    predicted = rng.normal(0.0, 0.3, (n, 2))
    decided = np.where(predicted.max(axis=1) > 0.0, predicted.argmax(axis=1) + 1, 0)
    arm = rng.integers(0, 3, n)
    outcome = rng.normal(0.0, 1.0, n)
    expected_of_arm = np.c_[np.zeros(n), predicted][np.arange(n), arm]
    found = sums(
        decided[:, None], arm, np.full(n, 1 / 3), outcome - expected_of_arm, replicates=200
    )
    promised = np.c_[np.zeros(n), predicted][np.arange(n), decided].sum()
    offers = np.bincount(decided, minlength=3)[1:].tolist()
    corrected = found.corrected(0, promised, offers, level)
    assert promised > 10 * corrected.standard_error
    assert corrected.low < 0.0 < corrected.high
    assert abs(corrected.estimate) < 3.0 * corrected.standard_error


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_may_come_in_any_order_and_portion(seed):
    rng = np.random.default_rng(seed)
    n = 500
    decided, arm = rng.integers(0, 3, (n, 2)), rng.integers(0, 3, n)
    propensity, error = rng.uniform(0.1, 0.9, n), rng.normal(size=n)
    keys = rng.integers(0, 2**62, n).astype(np.uint64)
    plan = ErrorSumsPlan.for_rows(n, 60.0, n_treatments=2, replicates=20, seed=1)
    whole = plan.finish(plan.add_up(decided, arm, propensity, error, keys))
    turned = rng.permutation(n)
    parts = [
        plan.add_up(decided[rows], arm[rows], propensity[rows], error[rows], keys[rows])[0]
        for rows in np.array_split(turned, 3)
    ]
    again = plan.finish([parts[0] + parts[1] + parts[2]])
    assert (whole.error == again.error).all()
    assert (whole.n == again.n).all()
