"""Who ranks customers best on real logs: our families beside the peers', on the same folds.

Every model learns from two thirds of a log and ranks the rest, three times round; a figure is the
mean of the three, in conversions per 1,000. Meta-learners of all libraries get the same boosters,
so a difference is one of algebra or of trees, not of tuning. The replicates of all rankings share
their draws: "behind" is the lead of the best peer over a model, in standard errors of that lead.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from tests.benchmarks.conftest import Bench
from tests.conftest import real_log
from uplift.evaluation import metrics
from uplift.evaluation.comparison import choose
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.learners.base import Matrix, Vector
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.fit import Plan

Arm = npt.NDArray[np.int64]
Fit = Callable[["Part", Matrix], Vector]

N_FOLDS, REPLICATES, SEED, ROUNDS, N_TREES = 3, 200, 7, 60, 100
BOOSTER = {
    "learning_rate": 0.05,
    "num_leaves": 4,
    "min_data_in_leaf": 300,
    "lambda_l2": 10.0,
    "feature_fraction": 0.8,
}
OURS = (
    "t_learner",
    "reparametrised",
    "x_learner",
    "s_learner",
    "class_transformation",
    "r_learner",
    "dr_learner",
    "causal_forest",
)


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of a log with one treatment: features (n, d), arm (0 or 1) and outcome (n,)."""

    features: Matrix
    arm: Arm
    outcome: Vector
    treated_share: float

    def where(self, rows: npt.NDArray[np.bool_]) -> "Part":
        return Part(self.features[rows], self.arm[rows], self.outcome[rows], self.treated_share)


def hillstrom(mail: str) -> Part:
    log = pd.read_csv(real_log("hillstrom/hillstrom.csv.gz"))
    log = log[log["segment"].isin(["No E-Mail", mail])]
    features = pd.get_dummies(
        log[["recency", "history", "mens", "womens", "newbie", "zip_code", "channel"]]
    )
    return _part(features, log["segment"] == mail, log["visit"])


def starbucks() -> Part:
    log = pd.read_csv(real_log("starbucks_promo/training.csv.gz"))
    codes = log[["V1", "V4", "V5", "V6", "V7"]].astype("category")
    features = pd.concat([log[["V2", "V3"]], pd.get_dummies(codes)], axis=1)
    return _part(features, log["Promotion"] == "Yes", log["purchase"])


def information() -> Part:
    log = pd.read_csv(real_log("information_insurance/train.csv.gz"))
    features = log.drop(columns=["TREATMENT", "PURCHASE", "UNIQUE_ID"])
    return _part(features, log["TREATMENT"], log["PURCHASE"])


def _part(features: pd.DataFrame, arm: pd.Series, outcome: pd.Series) -> Part:
    drawn = arm.to_numpy(np.int64)
    matrix = features.to_numpy(dtype=np.float64)
    return Part(matrix, drawn, outcome.to_numpy(np.float64), float(drawn.mean()))


LOGS: Mapping[str, Callable[[], Part]] = {
    "Hillstrom, men's mail, visit": partial(hillstrom, "Mens E-Mail"),
    "Hillstrom, women's mail, visit": partial(hillstrom, "Womens E-Mail"),
    "Starbucks, purchase": starbucks,
    "Information, purchase (hardly any effect)": information,
}


def ours(learner: str, part: Part, judged: Matrix) -> Vector:
    plan = Plan(
        trainer=LocalTrainer(), parameters=BOOSTER, rounds=ROUNDS, seed=SEED, learner=learner
    )
    drawn = np.where(part.arm == 1, part.treated_share, 1.0 - part.treated_share)
    data = TrainingData(part.features, part.arm, part.outcome, drawn)
    expected = plan.fit(data, "conversion", 2, categorical=()).predict(judged)
    return np.asarray(expected[:, 1] - expected[:, 0])


def booster(kind: type) -> object:
    return kind(n_estimators=ROUNDS, n_jobs=1, random_state=SEED, verbosity=-1, **BOOSTER)


CLASSIFIER, REGRESSOR = lightgbm.LGBMClassifier, lightgbm.LGBMRegressor


def causalml_x(part: Part, judged: Matrix) -> Vector:
    from causalml.inference.meta import BaseXClassifier

    model = BaseXClassifier(
        outcome_learner=booster(CLASSIFIER), effect_learner=booster(REGRESSOR), control_name=0
    )
    share = np.full(len(part.arm), part.treated_share)
    model.fit(X=part.features, treatment=part.arm, y=part.outcome, p=share)
    there = np.full(len(judged), part.treated_share)
    return np.ravel(model.predict(X=judged, p=there, verbose=False))


def causalml_dr(part: Part, judged: Matrix) -> Vector:
    from causalml.inference.meta import BaseDRRegressor

    model = BaseDRRegressor(learner=booster(REGRESSOR), control_name=0)
    share = np.full(len(part.arm), part.treated_share)
    model.fit(X=part.features, treatment=part.arm, y=part.outcome, p=share, seed=SEED)
    return np.ravel(model.predict(X=judged, verbose=False))


def causalml_uplift_forest(part: Part, judged: Matrix) -> Vector:
    from causalml.inference.tree import UpliftRandomForestClassifier

    forest = UpliftRandomForestClassifier(
        control_name="0",
        n_estimators=N_TREES,
        max_depth=6,
        min_samples_leaf=100,
        min_samples_treatment=20,
        random_state=SEED,
    )
    forest.fit(X=part.features, treatment=part.arm.astype(str), y=part.outcome)
    return np.ravel(forest.predict(judged))


def causalml_causal_forest(part: Part, judged: Matrix) -> Vector:
    from causalml.inference.tree import CausalRandomForestRegressor

    forest = CausalRandomForestRegressor(
        control_name=0, n_estimators=N_TREES, max_depth=6, min_samples_leaf=50, random_state=SEED
    )
    forest.fit(X=part.features, treatment=part.arm, y=part.outcome)
    return np.ravel(forest.predict(judged))


def econml_causal_forest(part: Part, judged: Matrix) -> Vector:
    from econml.grf import CausalForest

    forest = CausalForest(
        n_estimators=N_TREES, min_samples_leaf=50, max_depth=6, n_jobs=1, random_state=SEED
    )
    drawn = part.arm - part.treated_share
    forest.fit(part.features, drawn, part.outcome - part.outcome.mean())
    return np.ravel(forest.predict(judged))


def econml_dr(part: Part, judged: Matrix) -> Vector:
    from econml.dr import DRLearner
    from sklearn.dummy import DummyClassifier

    model = DRLearner(
        model_propensity=DummyClassifier(strategy="prior"),
        model_regression=booster(REGRESSOR),
        model_final=booster(REGRESSOR),
        random_state=SEED,
    )
    model.fit(part.outcome, part.arm, X=part.features)
    return np.ravel(model.effect(judged))


def scikit_uplift_class_transformation(part: Part, judged: Matrix) -> Vector:
    from sklift.models import ClassTransformation

    model = ClassTransformation(booster(CLASSIFIER))
    model.fit(pd.DataFrame(part.features), pd.Series(part.outcome), pd.Series(part.arm))
    return np.ravel(model.predict(pd.DataFrame(judged)))


def scikit_uplift_dependent(part: Part, judged: Matrix) -> Vector:
    from sklift.models import TwoModels

    model = TwoModels(booster(CLASSIFIER), booster(CLASSIFIER), method="ddr_control")
    model.fit(part.features, part.outcome, part.arm)
    return np.ravel(model.predict(judged))


PEERS: Mapping[str, Fit] = {
    "causalml X": causalml_x,
    "causalml DR": causalml_dr,
    "causalml uplift forest, KL": causalml_uplift_forest,
    "causalml causal forest": causalml_causal_forest,
    "EconML causal forest": econml_causal_forest,
    "EconML DR": econml_dr,
    "scikit-uplift class transformation": scikit_uplift_class_transformation,
    "scikit-uplift dependent models": scikit_uplift_dependent,
}


def judge(fit: Fit, part: Part, fold: Arm) -> Mapping[str, Vector]:
    """RATE (AUTOC, QINI) and Radcliffe's Qini, each with its replicates, averaged over folds."""
    found: dict[str, list[Vector]] = {"AUTOC": [], "QINI": [], "Qini (Radcliffe)": []}
    for number in range(N_FOLDS):
        judged = part.where(fold == number)
        priority = fit(part.where(fold != number), judged.features)
        sums = ranked_sums(
            priority,
            judged.arm,
            judged.outcome,
            n_arms=2,
            replicates=REPLICATES,
            seed=number,
            max_blocks=500,
        )
        found["AUTOC"].append(metrics.autoc(sums, 1))
        found["QINI"].append(metrics.rate_qini(sums, 1))
        found["Qini (Radcliffe)"].append(metrics.qini_auc(sums, 1))
    return {name: np.mean(values, axis=0) for name, values in found.items()}


@pytest.mark.parametrize("name", LOGS)
def test_rankings_of_real_logs_beside_the_peers(bench: Bench, name: str) -> None:
    part = LOGS[name]()
    fold = np.random.default_rng(SEED).integers(0, N_FOLDS, len(part.arm))
    fits: dict[str, Fit] = {f"ours: {learner}": partial(ours, learner) for learner in OURS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers' own
        found = {model: judge(fit, part, fold) for model, fit in {**fits, **PEERS}.items()}
    best_peer = max(PEERS, key=lambda model: found[model]["AUTOC"][0])
    chosen = choose({model: found[model]["AUTOC"] for model in fits})
    rows = []
    for model, values in found.items():
        lead = found[best_peer]["AUTOC"] - values["AUTOC"]
        behind = lead[0] / lead[1:].std() if model != best_peer else 0.0
        mark = " (chosen)" if model == chosen else " (best peer)" if model == best_peer else ""
        cells = [_per_thousand(value) for value in values.values()]
        rows.append([name, model + mark, *cells, f"{behind:+.1f}"])
    bench.table(["log", "model", *next(iter(found.values())), "behind the best peer, SE"], rows)
    lead = found[best_peer]["AUTOC"] - found[chosen]["AUTOC"]
    assert lead[0] <= lead[1:].std()


def _per_thousand(replicates: Vector) -> str:
    return f"{1000 * replicates[0]:+.2f} ± {1000 * replicates[1:].std():.2f}"
