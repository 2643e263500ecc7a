"""Small logs without random arms, whose true effects are known."""

from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax

from tests.conftest import real_log
from uplift.experiment.observed import Matrix, ObservedLog, Vector, observed_logs

LALONDE = [
    "age",
    "education",
    "black",
    "hispanic",
    "married",
    "nodegree",
    "re74",
    "re75",
    "no_earnings_74",
    "no_earnings_75",
]


def confounded(
    n: int = 2000, *, strength: float = 1.0, effects: tuple[float, ...] = (2.0,), seed: int = 1
) -> tuple[ObservedLog, Matrix]:
    """A log and its true chances: what raises the outcome by 3 also draws units into arms.

    The second feature matters to nothing, the third is a code that matters to both.
    """
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    code = generator.integers(0, 4, size=n).astype(float)
    score = strength * (x[:, 0] + 0.5 * (code == 2.0))
    chances = softmax(np.outer(score, np.arange(len(effects) + 1) / len(effects)), axis=1)
    arm = (chances.cumsum(axis=1) < generator.random(n)[:, None]).sum(axis=1)
    outcome = 3.0 * x[:, 0] + (code == 2.0) + np.array([0.0, *effects])[arm]
    outcome += generator.normal(size=n)
    return log_of(np.column_stack([x, code]), arm, outcome, categorical=(2,)), chances


def log_of(
    features: Matrix,
    arm: npt.ArrayLike,
    outcome: npt.ArrayLike,
    *,
    cluster_ids: list[str] | None = None,
    categorical: tuple[int, ...] = (),
    folds: int = 5,
) -> ObservedLog:
    arms = np.asarray(arm)
    return observed_logs(
        features,
        arms,
        {"outcome": outcome},
        cluster_ids or [f"unit {i}" for i in range(len(arms))],
        n_arms=int(arms.max()) + 1,
        folds=folds,
        seed=1,
        categorical=categorical,
    )["outcome"]


def lalonde(controls: str) -> tuple[Matrix, npt.NDArray[np.int64], Vector]:
    """The trainees of the experiment beside people of a survey, who never were in it.

    Dehejia & Wahba (JASA 94, 1999): features, arm and earnings of 1978 in dollars.
    """
    names = {"educ": "education", "hisp": "hispanic", "marr": "married"}
    trainees = pd.read_csv(real_log("lalonde_nsw/nsw_dw.csv.gz")).rename(columns=names)
    survey = pd.read_csv(real_log(f"lalonde_nsw/{controls}_controls.csv.gz"))
    rows = pd.concat([trainees[trainees["treat"] == 1], survey], ignore_index=True)
    for year in ("74", "75"):
        rows[f"no_earnings_{year}"] = (rows[f"re{year}"] == 0.0) * 1.0
    return (
        rows[LALONDE].to_numpy(dtype=np.float64),
        rows["treat"].to_numpy(dtype=np.int64),
        rows["re78"].to_numpy(dtype=np.float64),
    )


@cache
def ihdp(replication: int) -> pd.DataFrame:
    rows = pd.read_csv(real_log("ihdp_npci/ihdp_npci_1-50.csv.gz"))
    return rows[rows["rep"] == replication]


@cache
def twins() -> tuple[ObservedLog, float]:
    """Twins of whom, by mother's features, one was hidden: the heavier is arm 1; and the truth.

    The outcome is dying within a year; sick and early births draw the lighter twin more often.
    """
    rows = pd.read_csv(real_log("twins_ganite/twins.csv.gz"))
    deaths = (rows[["outcome_t0", "outcome_t1"]].to_numpy() < 9999).astype(np.float64)
    features = rows.iloc[:, :30].to_numpy(dtype=np.float64)
    weeks = rows["gestat"].to_numpy(dtype=np.float64)
    generator = np.random.default_rng(5)
    chance = 1.0 / (1.0 + np.exp(-(weeks - weeks.mean()) / weeks.std()))
    arm = (generator.random(len(rows)) < chance).astype(np.int64)
    truth = float((deaths[:, 1] - deaths[:, 0]).mean())
    return log_of(features, arm, deaths[np.arange(len(rows)), arm]), truth
