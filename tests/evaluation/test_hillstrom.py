"""Published figures of a real experiment, from its counts and from its rows."""

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.builders import from_counts
from tests.evaluation.conftest import HILLSTROM_ARMS
from uplift.evaluation import metrics
from uplift.evaluation.curves import qini_curve, tops, uplift_curve
from uplift.evaluation.policy_sums import PolicySums, policy_sums
from uplift.evaluation.policy_value import (
    hajek_standard_error,
    hajek_value,
    ipw_standard_error,
    ipw_value,
)
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums

MENS, WOMENS = 1, 2

# treatment, outcome; (n_t, y_t, n_c, y_c) of women's buyers and of the others; Qini points;
# area / N^2; scikit-uplift's qini, qini without negative effects, uplift_auc
BY_WOMENS = [
    (
        (WOMENS, "visit"),
        ((11765, 2171, 11668, 1300), (9622, 1067, 9638, 962)),
        (860.192664, 967.400451),
        (0.00385559, 0.064016, 0.348197, 0.029431),
    ),
    (
        (WOMENS, "conversion"),
        ((11765, 130, 11668, 69), (9622, 59, 9638, 53)),
        (60.426380, 66.536187),
        (0.00027998, 0.077049, 0.359862, 0.002221),
    ),
    (
        (MENS, "visit"),
        ((11749, 2279, 11668, 1300), (9558, 1615, 9638, 962)),
        (969.975317, 1631.893833),
        (0.00085896, 0.012888, 0.046645, 0.006343),
    ),
    (
        (MENS, "conversion"),
        ((11749, 157, 11668, 69), (9558, 110, 9638, 53)),
        (87.520998, 144.994274),
        (0.00009202, 0.020266, 0.054274, 0.000706),
    ),
]


def by(mails: pd.DataFrame, priority: pd.Series, outcome: str) -> RankedSums:
    return ranked_sums(priority, mails["arm"], mails[outcome], n_arms=3)


def check(
    sums: RankedSums, treatment: int, points: tuple[float, float], values: tuple[float, ...]
) -> None:
    assert qini_curve(tops(sums, treatment)).height[0, 1:] == pytest.approx(points, abs=5e-7)
    assert metrics.radcliffe_q(sums, treatment)[0] == pytest.approx(values[0], abs=5e-9)
    found = [
        metrics.qini_auc(sums, treatment)[0],
        metrics.qini_auc(sums, treatment, negative_effect=False)[0],
        metrics.uplift_auc(sums, treatment)[0],
    ]
    assert found == pytest.approx(values[1:], abs=5e-7)


@pytest.mark.parametrize(("which", "counts", "points", "values"), BY_WOMENS)
def test_counts_of_the_womens_flag_give_the_published_values(
    which: tuple[int, str],
    counts: tuple[tuple[int, int, int, int], ...],
    points: tuple[float, float],
    values: tuple[float, ...],
) -> None:
    check(from_counts(*counts), 1, points, values)


@pytest.mark.parametrize(("which", "counts", "points", "values"), BY_WOMENS)
def test_rows_of_the_womens_flag_give_the_published_values(
    mails: pd.DataFrame,
    which: tuple[int, str],
    counts: tuple[tuple[int, int, int, int], ...],
    points: tuple[float, float],
    values: tuple[float, ...],
) -> None:
    treatment, outcome = which
    sums = by(mails, mails["womens"], outcome)
    assert sums.rows[:, treatment].tolist() == [counts[0][0], counts[1][0]]
    assert sums.y[0, :, treatment].tolist() == [counts[0][1], counts[1][1]]
    check(sums, treatment, points, values)


def test_raw_area_and_gain_points_of_womens_visits() -> None:
    top = tops(from_counts(*BY_WOMENS[0][1]), 1)
    assert qini_curve(top).area_above_chord()[0] == pytest.approx(7_027_555.3164, abs=5e-5)
    assert uplift_curve(top).at[0].tolist() == [0, 23433, 42693]
    assert uplift_curve(top).height[0, 1:] == pytest.approx((1713.293216, 1931.137020), abs=5e-7)


@pytest.mark.parametrize(
    ("priority", "treatment", "outcome", "qini", "uplift"),
    [
        ("history", WOMENS, "visit", 0.002622, 0.001048),
        ("history", MENS, "visit", 0.018433, 0.009578),
        ("history", MENS, "conversion", 0.069612, 0.002527),
        ("recency", WOMENS, "visit", -0.004520, None),
        ("recency", MENS, "visit", 0.011849, None),
        ("recency", MENS, "conversion", 0.011939, None),
    ],
)
def test_rankings_by_history_and_by_most_recent_purchase_give_the_published_values(
    mails: pd.DataFrame,
    priority: str,
    treatment: int,
    outcome: str,
    qini: float,
    uplift: float | None,
) -> None:
    sums = by(mails, mails[priority] * (-1 if priority == "recency" else 1), outcome)
    assert metrics.qini_auc(sums, treatment)[0] == pytest.approx(qini, abs=5e-7)
    if uplift is not None:
        assert metrics.uplift_auc(sums, treatment)[0] == pytest.approx(uplift, abs=5e-7)


def test_the_published_weighted_average_uplift_breaks_ties_by_the_order_of_rows(
    mails: pd.DataFrame,
) -> None:
    kept = mails[mails["arm"] != MENS]
    womens = kept["womens"].to_numpy()
    # scikit-uplift sorts stably and turns round: among equals the last row comes first
    ranks = np.empty(len(kept))
    ranks[np.argsort(womens, kind="stable")] = np.arange(len(kept))
    arm = (kept["arm"] == WOMENS).astype(int)
    found = metrics.uplift_by_bin(ranked_sums(ranks, arm, kept["visit"], n_arms=2), 1)
    average = np.average(found.uplift[0], weights=found.n_treated)
    assert average == pytest.approx(0.045093, abs=5e-7)


@pytest.mark.parametrize(
    ("outcome", "effects"),
    [
        ("visit", (0.076590, 0.045233)),
        ("conversion", (0.006805, 0.003111)),
        ("spend", (0.769827, 0.424412)),
    ],
)
def test_average_effects_are_the_published_ones_with_and_without_weights(
    mails: pd.DataFrame, outcome: str, effects: tuple[float, float]
) -> None:
    constant = pd.Series(np.zeros(len(mails)))
    weights = np.full(len(mails), 3.0)
    for weight in (None, weights):
        sums = ranked_sums(constant, mails["arm"], mails[outcome], n_arms=3, weight=weight)
        found = [metrics.ate(sums, treatment)[0] for treatment in (MENS, WOMENS)]
        assert found == pytest.approx(effects, abs=5e-7)


def judged(mails: pd.DataFrame, outcome: str) -> PolicySums:
    only_womens = (mails["womens"] == 1) & (mails["mens"] == 0)
    decisions = {
        "womens-only get Womens": np.where(only_womens, WOMENS, MENS),
        "history of 200": np.where(mails["history"] >= 200, MENS, 0),
    }
    chance = np.full(len(mails), 1 / 3)
    return policy_sums(mails["arm"], mails[outcome], chance, decisions, arms=HILLSTROM_ARMS)


@pytest.mark.parametrize(
    ("outcome", "ipw", "hajek"),
    [
        (
            "visit",
            (0.106031, 0.182531, 0.151781, 0.184688, 0.142687),
            (0.106167, 0.182757, 0.151400, 0.184233, 0.142643),
        ),
        (
            "spend",
            (0.651953, 1.420860, 1.079911, 1.432155, 1.071271),
            (0.652789, 1.422617, 1.077202, 1.428628, 1.070937),
        ),
    ],
)
def test_policy_values_are_the_published_ones(
    mails: pd.DataFrame, outcome: str, ipw: tuple[float, ...], hajek: tuple[float, ...]
) -> None:
    sums = judged(mails, outcome)
    # 0.1846875 and 0.1426875 were published rounded up and down
    assert [ipw_value(sums, name)[0] for name in sums.names] == pytest.approx(ipw, abs=6e-7)
    assert [hajek_value(sums, name)[0] for name in sums.names] == pytest.approx(hajek, abs=6e-7)


def test_standard_errors_of_policies_are_the_published_ones(mails: pd.DataFrame) -> None:
    sums = judged(mails, "visit")
    assert ipw_standard_error(sums, "womens-only get Womens") == pytest.approx(0.002850, abs=5e-7)
    # published beside an IPW value, this one is that of the Hajek value
    assert hajek_standard_error(sums, "history of 200") == pytest.approx(0.002394, abs=5e-7)
    treated = sums.decided[sums.index("history of 200"), MENS] / len(mails)
    assert treated == pytest.approx(0.418375)


def test_everybody_minus_nobody_has_the_published_welch_error(mails: pd.DataFrame) -> None:
    sums = judged(mails, "visit")
    for arm, error in (("Mens E-Mail", 0.003386), ("Womens E-Mail", 0.003234)):
        found = hajek_standard_error(sums, f"everybody:{arm}", against="nobody")
        assert found == pytest.approx(error, abs=5e-7)
