"""Why a model expects these effects: what each feature adds to them, in the outcome's unit."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.columns import CONVERSION
from uplift.ensemble import Explainer
from uplift.learners.base import Matrix
from uplift.learners.model import UpliftModel

PerFeature: TypeAlias = npt.NDArray[np.float64]

_NEAR = 1e-6  # of the raw score: for a smaller change the slope of the link is as good, and stable


@dataclass(frozen=True, eq=False)
class Explanation:
    """Effects of n units, taken apart.

    Attributes:
        contributions: What each feature adds to the effect of each treatment, shape (n, K, d).
        usual_effect: The effect that the contributions start from, shape (K,): that of the
            average sum of leaves in the background.
    """

    contributions: PerFeature
    usual_effect: npt.NDArray[np.float64]

    def importance(self) -> Matrix:
        """Average size of each feature's contribution, shape (K, d)."""
        return np.asarray(np.abs(self.contributions).mean(axis=0))


class EffectExplainer:
    """Takes the effects of a model apart, against a background of usual units.

    Shapley values of the sum of leaves are exact; under a link they are scaled arm by arm to the
    change of the answer (the rescale rule; Chen, Lundberg and Lee 2022, "Explaining a series of
    models by propagating Shapley values"), so that in every unit the usual effect and all
    contributions add up to ``UpliftModel.cate``.

    Args:
        model: Whose effects are to be explained.
        background: Encoded features of usual units, shape (m, d).
        outcome: ``conversion`` or ``revenue``.
    """

    def __init__(self, model: UpliftModel, background: Matrix, outcome: str = CONVERSION) -> None:
        self._explainer = Explainer(model.ensemble(outcome), background)

    def explain(self, features: Matrix) -> Explanation:
        """Contributions to the effects of encoded features of shape (n, d), n at least 1."""
        raw = self._explainer.contributions(features)
        start, parts = raw[:, :, -1], raw[:, :, :-1]
        moved = parts.sum(axis=2)
        usual, answer = self._linked(start), self._linked(start + moved)
        slope = (self._linked(start + _NEAR) - self._linked(start - _NEAR)) / (2.0 * _NEAR)
        scale = np.divide(answer - usual, moved, out=slope, where=np.abs(moved) > _NEAR)
        by_arm = parts * scale[:, :, np.newaxis]
        return Explanation(
            contributions=np.delete(by_arm, CONTROL, axis=1) - by_arm[:, [CONTROL]],
            usual_effect=(np.delete(usual, CONTROL, axis=1) - usual[:, [CONTROL]])[0],
        )

    def _linked(self, raw: Matrix) -> Matrix:
        return self._explainer.ensemble.linked(np.array(raw))
