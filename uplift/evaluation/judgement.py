"""What the gate saw, as a document: for machines, and for the page that a person reads."""

import math
from collections.abc import Mapping

from uplift.arms import CONTROL
from uplift.evaluation.calibration import Calibration
from uplift.evaluation.gates import sorted_group_effects
from uplift.evaluation.proof import RankingProof
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.spread import Spread, spread_of
from uplift.evaluation.stability import Stability
from uplift.evaluation.story import Story
from uplift.evaluation.two_rankings import TwoRankings, compare_rankings, share_kept
from uplift.evaluation.uncertainty import from_replicates

Document = dict[str, object]

DEFINITIONS = {
    "gate": "The questions that a challenger must answer before it serves; all must be answered "
    "well. A refused challenger stays challenger.",
    "average_effect": "Average effect over all rows of the log, training rows too, which no model "
    "has touched.",
    "p_value": "Chance of a ranking this good where no ranking can be. One number from the rows "
    "held out and from parts of the training rows that a model of the parts before had not seen "
    "(Wager 2024); z is the same as a standard normal number.",
    "calibration": "Slope of the measured effect over the predicted (best linear predictor, "
    "Chernozhukov et al. 2018): 1 is right, 0 knows nothing, below 1 exaggerates.",
    "group_effects": "Measured effect in fifths of the customers, best predictions first (GATES).",
    "stability": "Two models learn from two halves of the training rows; spearman is how alike "
    "they rank held-out customers, 1 is the same order.",
    "share_kept": "Part of what treating everybody adds that treating the best share keeps.",
    "two_rankings": "Conversions added per 1,000 customers when the same share of customers gets "
    "the coupon, picked by effect and picked by a model of who buys.",
    "spread": "Standard deviation over customers of predicted effects, and of the outcomes that "
    "the same model expects in each arm.",
}


def judgement(story: Story) -> Document:
    """The part of the report ``evaluation`` that the gate adds.

    Returns:
        For JSON::

            gate: {promoted, answers: [{question, passed, words}, ...]}
            gate_evidence: {<treatment>: {average_effect, p_value, z, tests, calibration,
                group_effects, stability, share_kept, two_rankings, spread}}
            spread_of_outcomes: {<arm>: {...}}
            gate_definitions: {<name>: words}
    """
    return {
        "gate": {
            "promoted": story.verdict.promoted,
            "answers": [
                {"question": a.question, "passed": a.passed, "words": a.words}
                for a in story.verdict.answers
            ],
        },
        "gate_evidence": {
            name: _evidence(story, name, k) for k, name in enumerate(story.arms.treatments, 1)
        },
        "spread_of_outcomes": {
            name: _spread(spread_of(story.expected[:, k]))
            for k, name in enumerate(story.arms.names, CONTROL)
        },
        "gate_definitions": DEFINITIONS,
    }


def _evidence(story: Story, name: str, k: int) -> Document:
    sums, evidence, share, level = story.rankings[k - 1], story.evidence, story.share, story.level
    kept = from_replicates(share_kept(sums, k, share), level=level)
    rivals = None
    if story.by_response is not None:
        rivals = _two_rankings(
            compare_rankings(sums, story.by_response, k, share=share, level=level)
        )
    return {
        "average_effect": evidence.average[name].to_document(),
        **_proof(evidence.proofs[name]),
        "calibration": _calibration(evidence.calibrations[name]),
        "group_effects": _groups(sums, k, level),
        "stability": _stability(evidence.stability.get(name)),
        "share_kept": {"share": share, **kept.to_document()},
        "two_rankings": rivals,
        "spread": _spread(spread_of(story.effects[:, k - 1])),
    }


def _proof(proof: RankingProof) -> Document:
    return {
        "p_value": proof.p_value,
        "z": _number(proof.z),
        "tests": [test.to_document() for test in proof.tests],
    }


def _calibration(found: Calibration) -> Document:
    return {
        "slope": found.slope.to_document(),
        "intercept": found.intercept.to_document(),
        "average_error": found.average_error.to_document(),
        "p_calibrated": _number(found.p_calibrated),
        "is_rejected": found.is_rejected,
        "rejections": list(found.rejections),
    }


def _groups(sums: RankedSums, treatment: int, level: float) -> Document:
    found = sorted_group_effects(sums, treatment, level=level)
    return {
        "effects": [effect.to_document() for effect in found.effects],
        "best_less_worst": found.best_less_worst.to_document(),
        "p_equal": _number(found.p_equal),
    }


def _stability(found: Stability | None) -> Document | None:
    if found is None:
        return None
    return {
        "spearman": _number(found.spearman),
        "verdict": found.verdict,
        "reasons": list(found.reasons),
    }


def _two_rankings(found: TwoRankings) -> Document:
    return {
        "share": found.share,
        "by_uplift": found.by_uplift.to_document(),
        "by_response": found.by_response.to_document(),
        "difference": found.difference.to_document(),
        "in_random_order": found.in_random_order.to_document(),
    }


def _spread(found: Spread) -> Mapping[str, object]:
    return {
        "mean": found.mean,
        "standard_deviation": found.standard_deviation,
        "quantiles": list(found.quantiles),
        "share_negative": found.share_negative,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
