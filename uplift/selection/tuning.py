"""A search for better settings: the metric is the held-out causal one, the budget is the user's.

Trials are drawn by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms
for hyper-parameter optimization"). A trial is given up after a fold if the folds it has seen rank
worse than the median of earlier trials did. Every trial's random numbers come from the seed and
the number of trials before it, so a search that was stopped goes on as if it had not been.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from uplift.config import SearchRange, Tuning
from uplift.errors import ConfigError, OverlapError
from uplift.learners.boosting import CHOICES
from uplift.selection.plans import ROUNDS

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

Setting: TypeAlias = bool | int | float | str
FoldMetrics: TypeAlias = Callable[[str, Mapping[str, Setting]], Iterator[float]]
"""A learner and its settings give the metric of one held-out fold after the other."""

LEARNER = "learner"

_STEP = 1_000_003  # between the seeds of two trials


@dataclass(frozen=True)
class TuningTrial:
    """What was tried, and how it went.

    Attributes:
        number: In the order of trying, from 0.
        learner: The family.
        settings: Its ``rounds`` and LightGBM parameters.
        state: ``pruned``: given up after a fold, or not allowed by the log.
        metrics: Mean of the folds so far, after each fold that was fitted.
    """

    number: int
    learner: str
    settings: Mapping[str, Setting]
    state: Literal["complete", "pruned"]
    metrics: tuple[float, ...]

    def flat(self) -> dict[str, Setting]:
        """What was tried, by the names that a plan's settings have."""
        names = {name: name if name == ROUNDS else f"booster.{name}" for name in self.settings}
        settings = {names[name]: value for name, value in self.settings.items()}
        return {LEARNER: self.learner, "state": self.state, **settings}

    def named_metrics(self) -> dict[str, float]:
        """The metrics by name."""
        folds = enumerate(self.metrics, start=1)
        return {f"tuning.autoc.after_fold_{fold}": metric for fold, metric in folds}


def tune(
    tuning: Tuning,
    fold_metrics: FoldMetrics,
    *,
    journal: Path,
    study: str,
    seed: int,
    tried: Callable[[TuningTrial], None] = lambda trial: None,
) -> list[TuningTrial]:
    """Search until the budget is spent; all trials of the study, those of earlier runs too.

    Args:
        tuning: Space and budget. ``seconds`` start no new trial when they are over, and are
            counted anew for every run.
        fold_metrics: How good settings are on each fold; larger is better.
        journal: File that the search is written to as it goes, and goes on from.
        study: Names data, space and folds: trials of another study in the journal are not ours.
        seed: Of the search.
        tried: Is told each trial as it ends.

    Raises:
        ConfigError: Optuna is not installed, or the space names what is no setting.
    """
    _check_space(tuning)
    optuna = _optuna()
    journal.parent.mkdir(parents=True, exist_ok=True)
    search = optuna.create_study(
        storage=optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(journal))
        ),
        study_name=study,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=tuning.unpruned_trials),
    )
    for stale in search.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        search.tell(stale.number, state=optuna.trial.TrialState.FAIL)  # its process is gone
    end = time.monotonic() + (np.inf if tuning.seconds is None else tuning.seconds)
    while (n_done := len(_told(search))) < tuning.trials and time.monotonic() < end:
        search.sampler = optuna.samplers.TPESampler(
            seed=(seed + _STEP * n_done) % 2**32, n_startup_trials=tuning.unpruned_trials
        )
        trial = search.ask()
        learner, settings = _drawn(trial, tuning)
        value = _value(trial, fold_metrics(learner, settings))
        if value is None:
            search.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            search.tell(trial, value)
        tried(_told(search)[-1])
    return _told(search)


def best_of(trials: Sequence[TuningTrial]) -> TuningTrial | None:
    """The first complete trial of the highest metric; None if none was completed."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: trial.metrics[-1], default=None)


def _value(trial: "Trial", metrics: Iterator[float]) -> float | None:
    """The mean over all folds; None where the trial was given up."""
    seen: list[float] = []
    try:
        for fold, metric in enumerate(metrics):
            seen.append(metric)
            trial.report(float(np.mean(seen)), fold)
            if trial.should_prune():
                return None
    except OverlapError:  # the family is not valid for this log
        return None
    return float(np.mean(seen))


def _drawn(trial: "Trial", tuning: Tuning) -> tuple[str, dict[str, Setting]]:
    learner = str(trial.suggest_categorical(LEARNER, tuning.learners))
    settings: dict[str, Setting] = {}
    for name, allowed in tuning.space.items():
        if not isinstance(allowed, SearchRange):
            choices: Sequence[Any] = allowed
            settings[name] = trial.suggest_categorical(name, choices)
        elif _kind(name) is int:
            low, high = int(allowed.low), int(allowed.high)
            settings[name] = trial.suggest_int(name, low, high, log=allowed.log)
        else:
            settings[name] = trial.suggest_float(name, allowed.low, allowed.high, log=allowed.log)
    return learner, settings


def _told(search: "Study") -> list[TuningTrial]:
    """The trials that came to an end, in order."""
    trials = search.get_trials(deepcopy=False)
    return [_trial(t) for t in trials if t.state.name in ("COMPLETE", "PRUNED")]


def _trial(told: "FrozenTrial") -> TuningTrial:
    settings = dict(told.params)
    learner = str(settings.pop(LEARNER))
    return TuningTrial(
        number=told.number,
        learner=learner,
        settings=settings,
        state="complete" if told.state.name == "COMPLETE" else "pruned",
        metrics=tuple(told.intermediate_values[fold] for fold in sorted(told.intermediate_values)),
    )


def _kind(name: str) -> type | None:
    return int if name == ROUNDS else CHOICES.get(name)


def _check_space(tuning: Tuning) -> None:
    wrong = [name for name in tuning.space if _kind(name) is None]
    wrong += [
        name
        for name, allowed in tuning.space.items()
        if isinstance(allowed, SearchRange) and _kind(name) not in (int, float, None)
    ]
    if wrong:
        raise ConfigError(
            f"{len(wrong)} of {len(tuning.space)} keys in `training.tuning.space` are no settings "
            f"with such values: {', '.join(wrong)}. Give {ROUNDS} or LightGBM parameters "
            f"({', '.join(CHOICES)}): {{low, high}} for a number, else a list."
        )


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            "`training.tuning` needs Optuna, which is not installed. Install the extra `tune` "
            "(pip install 'uplift-scoring[tune]'), or set `training.tuning` to null."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
