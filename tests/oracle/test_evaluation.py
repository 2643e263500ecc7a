"""The field's own libraries give the same numbers where they are well defined."""

import numpy as np
import pandas as pd
import pytest

from uplift.evaluation import metrics
from uplift.evaluation.curves import qini_curve, tops, uplift_curve
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]

SEEDS = range(8)
N = 1000


def log(seed: int, *, levels: int | None) -> pd.DataFrame:
    """Rows whose effect grows with the score; ``levels`` distinct scores, or no ties at all."""
    rng = np.random.default_rng(seed)
    score = rng.permutation(N) / N if levels is None else rng.integers(1, levels + 1, N) / levels
    w = (rng.uniform(size=N) < 0.3 + 0.05 * seed).astype(int)
    y = (rng.uniform(size=N) < 0.2 + 0.3 * w * score).astype(int)
    return pd.DataFrame({"score": score, "w": w, "y": y})


def sums_of(frame: pd.DataFrame) -> RankedSums:
    return ranked_sums(frame["score"], frame["w"], frame["y"], n_arms=2)


@pytest.mark.parametrize("levels", [1, 2, 10, 300, None])
@pytest.mark.parametrize("seed", SEEDS)
def test_scikit_uplift_gives_the_same_curves_and_scores_with_and_without_ties(
    seed: int, levels: int | None
) -> None:
    from sklift import metrics as peer

    frame = log(seed, levels=levels)
    sums, rows = sums_of(frame), (frame["y"], frame["score"], frame["w"])
    for ours, theirs in (
        (qini_curve(tops(sums, 1)), peer.qini_curve(*rows)),
        (uplift_curve(tops(sums, 1)), peer.uplift_curve(*rows)),
    ):
        assert ours.at[0] == pytest.approx(theirs[0])
        assert ours.height[0] == pytest.approx(theirs[1], abs=1e-9)
    for negative_effect in (True, False):
        expected = peer.qini_auc_score(*rows, negative_effect=negative_effect)
        found = metrics.qini_auc(sums, 1, negative_effect=negative_effect)[0]
        assert found == pytest.approx(expected, abs=1e-12)
    assert metrics.uplift_auc(sums, 1)[0] == pytest.approx(peer.uplift_auc_score(*rows), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_scikit_uplift_takes_the_other_order_of_a_perfect_ranking_where_responders_abound(
    seed: int,
) -> None:
    from sklift import metrics as peer

    frame = log(seed, levels=20).assign(y=lambda rows: 1 - rows["y"])
    expected = peer.uplift_auc_score(frame["y"], frame["score"], frame["w"])
    assert metrics.uplift_auc(sums_of(frame), 1)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_scikit_uplift_gives_the_same_uplift_at_k_without_ties(seed: int) -> None:
    from sklift import metrics as peer

    frame = log(seed, levels=None)
    # whole numbers of rows in the top of both arms
    frame = pd.concat([frame[frame["w"] == 0].iloc[:300], frame[frame["w"] == 1].iloc[:200]])
    rows = frame["y"], frame["score"], frame["w"]
    for share in (0.1, 0.3, 0.5):
        for strategy in ("overall", "by_group"):
            expected = peer.uplift_at_k(*rows, strategy=strategy, k=share)
            found = metrics.uplift_at(sums_of(frame), 1, share, strategy=strategy)[0]
            assert found == pytest.approx(expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_causalml_gives_the_same_areas_without_ties(seed: int) -> None:
    from causalml.metrics import auuc_score, qini_score

    frame = log(seed, levels=None)
    columns = {"outcome_col": "y", "treatment_col": "w", "treatment_effect_col": "unknown"}
    sums = sums_of(frame)
    assert metrics.auuc(sums, 1)[0] == pytest.approx(auuc_score(frame, **columns)["score"])
    assert metrics.qini_score(sums, 1)[0] == pytest.approx(qini_score(frame, **columns)["score"])


def test_causalml_depends_on_the_order_of_rows_under_ties_and_we_do_not() -> None:
    from causalml.metrics import qini_score

    frame = log(0, levels=2)
    orders = [frame.sort_values("y", ascending=up, ignore_index=True) for up in (True, False)]
    columns = {"outcome_col": "y", "treatment_col": "w", "treatment_effect_col": "unknown"}
    theirs = [qini_score(rows, **columns)["score"] for rows in orders]
    assert theirs[0] != pytest.approx(theirs[1], abs=1e-3)
    ours = [metrics.qini_score(sums_of(rows), 1)[0] for rows in orders]
    assert ours[0] == ours[1]
