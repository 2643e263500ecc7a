"""What came of a comparison, for machines."""

from collections.abc import Sequence

from uplift.arms import Arms
from uplift.learners.families import RESPONSE
from uplift.selection.refits import SequentialTests
from uplift.selection.trial import Trial


def training_report(
    trials: Sequence[Trial],
    best: Trial,
    tested: SequentialTests,
    *,
    arms: Arms,
    model_version: str,
    outcome: str,
    folds: int,
) -> dict[str, object]:
    """The report ``training``: who was tried, how well each ranked, and who was chosen.

    Args:
        trials: Of all candidates and the response model.
        best: The one chosen.
        tested: Tests of the candidates for the gate.
        arms: Of the campaign.
        model_version: Of the challenger that came of it.
        outcome: By which candidates were compared.
        folds: Of the comparison.
    """
    return {
        "chosen": best.name,
        "model_version": model_version,
        "outcome": outcome,
        "folds": folds,
        "trials": {
            trial.name: {
                "learner": trial.plan.learner,
                "is_baseline": trial.plan.learner == RESPONSE,
                "autoc": trial.autoc.to_document(),
            }
            for trial in trials
        },
        "sequential": {
            "picked": list(tested.picked),
            "tests": {
                name: [part[number].to_document() for part in tested.tests]
                for number, name in enumerate(arms.treatments)
            },
        },
    }
