"""A search on a made-up metric, where what is best is known, and on a small log."""

import builtins
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.selection.test_trial import HOW, log
from uplift.columns import CONVERSION
from uplift.config import SearchRange, Tuning, load_config
from uplift.errors import ConfigError, OverlapError
from uplift.learners.boosting import LocalTrainer
from uplift.selection.plans import tuned_plan
from uplift.selection.trial import fold_metrics, hold_trial
from uplift.selection.tuning import Setting, TuningTrial, best_of, tune

SPACE = {
    "learning_rate": SearchRange(low=0.0, high=1.0),
    "num_leaves": SearchRange(low=2, high=31, log=True),
}


def tuning(**changed: object) -> Tuning:
    shared = {"trials": 12, "learners": ["t_learner", "x_learner"], "space": SPACE}
    return Tuning.model_validate(shared | changed)


def hill(learner: str, settings: Mapping[str, Setting]) -> Iterator[float]:
    """Best at a rate of 0.7 and with the X-learner; three folds that agree."""
    for _ in range(3):
        yield -abs(float(settings["learning_rate"]) - 0.7) + (learner == "x_learner")


def find(
    journal: Path, own: Tuning | None = None, *, study: str = "s", seed: int = 1
) -> list[TuningTrial]:
    return tune(own or tuning(), hill, journal=journal, study=study, seed=seed)


def test_the_best_is_near_the_top(tmp_path: Path) -> None:
    best = best_of(find(tmp_path / "j", tuning(trials=25)))
    assert best is not None
    assert best.learner == "x_learner"
    assert float(best.settings["learning_rate"]) == pytest.approx(0.7, abs=0.15)
    assert isinstance(best.settings["num_leaves"], int)


def test_the_same_seed_searches_the_same_way_and_another_does_not(tmp_path: Path) -> None:
    first, again, other = (find(tmp_path / str(n), seed=s) for n, s in enumerate((1, 1, 2)))
    assert first == again != other


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    calls = 0

    def killed(learner: str, settings: Mapping[str, Setting]) -> Iterator[float]:
        nonlocal calls
        calls += 1
        yield from hill(learner, settings) if calls < 8 else killed_now()

    def killed_now() -> Iterator[float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(tuning(), killed, journal=tmp_path / "j", study="s", seed=1)
    heard: list[TuningTrial] = []
    ended = tune(tuning(), hill, journal=tmp_path / "j", study="s", seed=1, tried=heard.append)
    whole = find(tmp_path / "whole")
    assert len(heard) == 12 - 7
    assert [(t.learner, t.settings, t.metrics) for t in ended] == [
        (t.learner, t.settings, t.metrics) for t in whole
    ]


def test_what_is_done_is_not_done_again_but_another_study_starts_anew(tmp_path: Path) -> None:
    first = find(tmp_path / "j", tuning(trials=5))
    assert find(tmp_path / "j", tuning(trials=5)) == first
    more = find(tmp_path / "j", tuning(trials=7))
    assert more[:5] == first
    assert len(more) == 7
    assert len(find(tmp_path / "j", tuning(trials=3), study="other")) == 3


def test_a_trial_below_the_median_is_given_up_after_a_fold(tmp_path: Path) -> None:
    trials = find(tmp_path / "j", tuning(trials=30, unpruned_trials=4))
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned
    assert all(len(trial.metrics) == 1 for trial in pruned)
    assert min(trial.number for trial in pruned) >= 4


def test_no_trial_starts_when_time_is_up(tmp_path: Path) -> None:
    assert len(find(tmp_path / "j", tuning(seconds=1e-9))) == 0


def test_a_family_that_the_log_does_not_allow_is_given_up(tmp_path: Path) -> None:
    def refusing(learner: str, settings: Mapping[str, Setting]) -> Iterator[float]:
        if learner == "t_learner":
            raise OverlapError("no chances")
        yield from hill(learner, settings)

    trials = tune(tuning(), refusing, journal=tmp_path / "j", study="s", seed=1)
    assert {(t.learner, t.state) for t in trials if not t.metrics} == {("t_learner", "pruned")}
    best = best_of(trials)
    assert best is not None
    assert best.learner == "x_learner"


@pytest.mark.parametrize(
    "space", [{"num_leafs": SPACE["num_leaves"]}, {"extra_trees": SPACE["learning_rate"]}]
)
def test_a_space_of_what_is_no_setting_is_refused(tmp_path: Path, space: object) -> None:
    with pytest.raises(ConfigError, match=r"1 of 1 keys in `training\.tuning\.space`"):
        find(tmp_path / "j", tuning(space=space))


def test_without_optuna_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_import = builtins.__import__

    def without(name: str, *args: object, **keywords: object) -> object:
        if name == "optuna":
            raise ModuleNotFoundError(name)
        return own_import(name, *args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"uplift-scoring\[tune\]"):
        find(tmp_path / "j")


def test_the_metric_of_the_folds_is_that_of_the_comparison() -> None:
    config = load_config(
        [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"],
        ["training.tuning={space: {rounds: [3]}}"],
    )
    settings = {"rounds": 3, "num_leaves": 5}
    plan = tuned_plan("t_learner", settings, config.training, config.campaign, LocalTrainer())
    assert (plan.rounds, plan.parameters["num_leaves"], plan.parameters["lambda_l2"]) == (
        3,
        5,
        10.0,
    )
    asked = {"categorical": (), "n_folds": 3, "salt": "s", "how": HOW}
    by_fold = list(fold_metrics(plan, log(), CONVERSION, 2, **asked))  # type: ignore[arg-type]
    whole = hold_trial("t", plan, log(), CONVERSION, 2, **asked)  # type: ignore[arg-type]
    assert len(by_fold) == 3
    assert sum(by_fold) / 3 == pytest.approx(whole.autoc.estimate)


def test_the_name_of_what_is_found_is_taken() -> None:
    with pytest.raises(ConfigError, match="'tuned' is given twice"):
        load_config(
            [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"],
            ["training.tuning={}", "training.candidates=[{name: tuned, learner: t_learner}]"],
        )
