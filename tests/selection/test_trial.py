from dataclasses import replace

import numpy as np

from tests.conftest import ROOT
from uplift.columns import CONVERSION
from uplift.config import load_config
from uplift.learners.boosting import LocalTrainer
from uplift.learners.data import TrainingData
from uplift.learners.fit import Plan
from uplift.selection.trial import Trial, chosen, hold_trial

HOW = load_config(
    [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"], ["evaluation.replicates=40"]
).evaluation


def plan(learner: str = "t_learner") -> Plan:
    parameters = {"num_leaves": 4, "min_data_in_leaf": 50}
    return Plan(LocalTrainer(), parameters, rounds=10, seed=1, learner=learner)


def log() -> TrainingData:
    """Buyers are moved little; those who would not buy are moved a lot."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(4000, 2))
    household = np.arange(4000) // 2
    arm = rng.integers(0, 2, 2000)[household]
    cluster = np.array([f"h{number}" for number in household], dtype=object)
    loyal = features[:, 0] > 0
    chance = np.where(loyal, 0.6, 0.1) + 0.3 * arm * ~loyal
    outcome = (rng.random(4000) < chance).astype(np.float64)
    return TrainingData(features, arm, outcome, np.full(4000, 0.5), cluster=cluster)


def trial(name: str, own: Plan) -> Trial:
    return hold_trial(name, own, log(), CONVERSION, 2, categorical=(), n_folds=2, salt="s", how=HOW)


def test_whoever_ranks_by_effect_beats_whoever_ranks_by_purchase() -> None:
    learned, response = trial("t", plan()), trial("response", plan("response"))
    assert learned.autoc.low > 0.0 > response.autoc.high
    assert learned.replicates.shape == (41,)


def test_the_response_model_never_wins() -> None:
    poor = Trial("t", plan(), np.linspace(-2.0, -1.0, 41), 0.95)
    response = replace(poor, name="response", plan=plan("response"), replicates=np.ones(41))
    assert chosen([poor, response]).name == "t"


def test_the_same_trial_gives_the_same_number() -> None:
    assert trial("t", plan()).replicates.tolist() == trial("t", plan()).replicates.tolist()
