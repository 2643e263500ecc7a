"""The model card: what a model learned from, how good it is, what moves its effects, its limits.

Mitchell et al. (2019), "Model cards for model reporting". A document for machines and the same as
Markdown for people, logged with the model: first by training, again once it has been judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from uplift.learners.explanation import EffectExplainer
from uplift.learners.model import UpliftModel

EXPLAINED_ROWS = 500  # of the training rows, evenly spaced
SHOWN_FEATURES = 10

LIMITS = (
    "Effects are of the coupons, the season and the customers of the experiment; nothing is known "
    "of others.",
    "An effect of one customer cannot be checked, only averages over many: read it as a rank.",
    "Contributions say why the model expects an effect, not what causes it.",
    "Whoever was not in the experiment, or differs from all who were, gets an extrapolation.",
    "Effects fade: compare what was promised with what came, and train again.",
)


class _Contribution(BaseModel):
    """What a feature adds to the effect of one treatment."""

    importance: float
    direction: float | None


class _Card(BaseModel):
    """The card as read back, for Markdown."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    model_version: str
    learner: str
    arms: list[str]
    data: dict[str, str | int]
    experiment: dict[str, str]
    validation: dict[str, float | None]
    effects: dict[str, dict[str, _Contribution]]
    evaluation: dict[str, dict[str, float | None]] | None = None
    gate: list[str] | None = None
    limits: list[str]


@dataclass(frozen=True)
class Origin:
    """What a model was learned from.

    Attributes:
        table: Name of the table.
        digest: Its fingerprint.
        n_rows: Rows that were learned from.
        experiment_verdict: ``pass``, ``warn`` or ``fail``.
        overridden_by: Who answers for a failed experiment, if anybody has to.
    """

    table: str
    digest: str
    n_rows: int
    experiment_verdict: str
    overridden_by: str | None


def model_card(
    model: UpliftModel,
    features: npt.NDArray[np.float64],
    *,
    origin: Origin,
    validation: Mapping[str, float | None],
) -> dict[str, object]:
    """The card of a model that has been trained and not yet judged.

    Args:
        model: To describe.
        features: Encoded training rows, shape (n, d); some of them are explained.
        origin: What it was learned from.
        validation: What spoke for it on folds of the training rows, by name.

    Returns:
        For JSON. ``effects`` holds by treatment and feature ``importance``, the mean size of what
        the feature adds to the effect on conversion (Shapley values of the difference of arms),
        and ``direction``, the correlation of that with the feature's value, null where it does not
        vary.
    """
    step = max(len(features) // EXPLAINED_ROWS, 1)
    rows = np.ascontiguousarray(features[::step][:EXPLAINED_ROWS])
    explained = EffectExplainer(model, rows).explain(rows)
    names = model.encoder.names
    return {
        "model_version": model.version,
        "learner": model.metadata.get("learner", "unknown"),
        "arms": list(model.arms.names),
        "outcomes": list(model.outcomes),
        "features": list(names),
        "data": {"table": origin.table, "digest": origin.digest, "rows": origin.n_rows},
        "experiment": {
            "verdict": origin.experiment_verdict,
            **({"overridden_by": origin.overridden_by} if origin.overridden_by else {}),
        },
        "validation": dict(validation),
        "effects": {
            treatment: {
                name: {
                    "importance": float(explained.importance()[k, column]),
                    "direction": _direction(rows[:, column], explained.contributions[:, k, column]),
                }
                for column, name in enumerate(names)
            }
            for k, treatment in enumerate(model.arms.treatments)
        },
        "usual_effect": {
            treatment: float(explained.usual_effect[k])
            for k, treatment in enumerate(model.arms.treatments)
        },
        "limits": list(LIMITS),
    }


def judged_card(
    card: Mapping[str, object],
    metrics: Mapping[str, Mapping[str, float | None]],
    reasons: Sequence[str],
) -> dict[str, object]:
    """The card with what held-out customers said of the model.

    Args:
        card: Of ``model_card``.
        metrics: Estimates with ``estimate``, ``low`` and ``high``, by name.
        reasons: Of the gate.
    """
    return {**card, "evaluation": {k: dict(v) for k, v in metrics.items()}, "gate": list(reasons)}


def card_markdown(card: Mapping[str, object]) -> str:
    """The card for people."""
    read = _Card.model_validate(card)
    lines = [
        f"# Model {read.model_version}",
        "",
        f"Learner `{read.learner}`, arms {', '.join(f'`{arm}`' for arm in read.arms)}.",
        "",
        "## Data",
        "",
        f"{read.data['rows']} rows of `{read.data['table']}` (fingerprint {read.data['digest']}).",
        f"The experiment's verdict: {', '.join(read.experiment.values())}.",
        "",
        "## How good it is",
        "",
        *_metrics(read),
        "",
        "## What moves its effects",
        "",
        "Mean size of what a feature adds to the effect, percentage points of conversion; + where "
        "larger values add, - where they take away.",
        "",
    ]
    for treatment, by_feature in read.effects.items():
        lines += [f"### {treatment}", "", "| feature | adds | direction |", "|---|--:|--:|"]
        order = sorted(by_feature.items(), key=lambda item: -item[1].importance)
        lines += [
            f"| {_cell(name)} | {100 * found.importance:.3f} | {_signed(found.direction)} |"
            for name, found in order[:SHOWN_FEATURES]
        ]
        lines.append("")
    lines += ["## Known limits", "", *(f"- {limit}" for limit in read.limits), ""]
    return "\n".join(lines)


def _metrics(card: _Card) -> list[str]:
    shown = [f"- validation, {name}: {_number(value)}" for name, value in card.validation.items()]
    if card.evaluation is None:
        return [*shown, "- held-out customers have not judged it yet"]
    shown += [
        f"- {name}: {_number(found['estimate'])} ({_number(found['low'])} to "
        f"{_number(found['high'])})"
        for name, found in card.evaluation.items()
    ]
    return [*shown, "", *(f"- {reason}" for reason in card.gate or [])]


def _direction(values: npt.NDArray[np.float64], added: npt.NDArray[np.float64]) -> float | None:
    known = np.isfinite(values)
    if known.sum() < 2 or np.ptp(values[known]) == 0.0 or np.ptp(added[known]) == 0.0:
        return None
    return float(np.corrcoef(values[known], added[known])[0, 1])


def _cell(name: str) -> str:
    return name.replace("|", "\\|")


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
