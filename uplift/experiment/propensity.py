"""What chance had each unit of each arm, where nobody wrote it down?

The chance given everything known before (Rosenbaum & Rubin, "The central role of the propensity
score in observational studies for causal effects", Biometrika 70, 1983) is all that adjusting
needs, if nothing else decided who got which arm *and* mattered for the outcome. No number here
can show that; ``uplift.experiment.sensitivity`` asks how wrong it may be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uplift.experiment.candidates import (
    KINDS,
    Average,
    Choice,
    Classifier,
    Kind,
    fit_classifier,
    one_thread,
)
from uplift.experiment.observed import Integers, Matrix, Vector, check_arms

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

_SMALLEST = 1e-9  # chances are kept to a billionth: the last bits depend on the size of a batch
_BINS = 10


@dataclass(frozen=True, eq=False)
class PropensityModel:
    """One model per fold, each fitted on the other folds; new units have a fold too.

    So every chance is cross-fitted, of units that were fitted on and of all others alike
    (Chernozhukov et al., "Double/debiased machine learning", Econometrics Journal 21, 2018).

    Attributes:
        kind: Which candidate won.
        n_arms: K + 1.
        models: One per fold.
        calibrators: One per fold, from log odds to chances; empty where calibrating did not help.
    """

    kind: Choice
    n_arms: int
    models: tuple[Classifier, ...]
    calibrators: tuple[Classifier, ...] = ()

    def propensities(self, features: Matrix, fold: Integers) -> Matrix:
        """Chance of every arm, shape (n, K+1); no row depends on the others.

        Args:
            features: Shape (n, d), as the model was fitted on.
            fold: Of ``folds_of`` with the same number of folds and the same seed, shape (n,).
        """
        chances = np.empty((len(features), self.n_arms))
        with one_thread():
            for one in np.unique(fold):
                rows = fold == one
                found = self.models[one].predict_proba(features[rows])
                if self.calibrators:
                    found = self.calibrators[one].predict_proba(_log_odds(found))
                chances[rows] = found
        return _kept(chances)


@dataclass(frozen=True, eq=False)
class PropensityQuality:
    """How well the chances tell the arms of rows that their model has not seen.

    Attributes:
        log_loss: Mean of minus the log of the chance of the arm that a unit got.
        log_loss_of_shares: The same if everybody had the arms' shares: what knowing nothing gives.
        log_loss_of_candidates: By kind, before calibration.
        is_calibrated: Whether Platt's correction lowered the loss and was kept.
        slope: Of the arm on the log odds of its chance, shape (K+1,); 1 is right, below 1 the
            chances are too extreme (Cox, Biometrika 45, 1958).
        slope_error: Standard error of the slope.
        spread: Standard deviation of the log odds; where it is small a wrong slope is harmless.
        intercept: Of the same regression, shape (K+1,); 0 is right.
        calibration_error: Mean distance between chance and share in tenths of the units, (K+1,).
    """

    log_loss: float
    log_loss_of_shares: float
    log_loss_of_candidates: dict[str, float]
    is_calibrated: bool
    slope: Vector
    slope_error: Vector
    spread: Vector
    intercept: Vector
    calibration_error: Vector


@dataclass(frozen=True, eq=False)
class PropensityFit:
    """The model, its chances for the rows it was fitted on, shape (n, K+1), and their quality."""

    model: PropensityModel
    propensities: Matrix
    quality: PropensityQuality


def fit_propensities(
    features: Matrix,
    arm: Integers,
    fold: Integers,
    *,
    n_arms: int,
    folds: int,
    seed: int,
    categorical: Sequence[int] = (),
    kinds: Sequence[Kind] = KINDS,
) -> PropensityFit:
    """Cross-fitted, calibrated chances of every arm: the best candidate by held-out log loss.

    Where several kinds are tried, their average is a candidate too, and often the best.
    Calibration is Platt's, on log odds against control, itself cross-fitted, and kept only if it
    lowers the loss without turning an arm's chances upside down: a share that is high outside a
    fold is low inside, which a calibrator would learn where the features tell nothing. Isotonic
    steps would pile chances up at 0, and weights divide by them.
    Chances are not clipped here: an effect on the treated needs the small ones as they are, see
    ``clip_to_floor``.

    Args:
        features: Shape (n, d), NaN is missing.
        arm: Shape (n,), 0..K.
        fold: Of ``folds_of``, shape (n,).
        n_arms: K + 1.
        folds: How many there are; a fold without rows gets a model too, for units to come.
        seed: Of the candidates that need one.
        categorical: Columns that hold codes.
        kinds: Candidates to try.

    Raises:
        ExperimentError: An arm has too few units, overall or outside of one fold.
    """
    check_arms(arm, fold, n_arms)
    fits: dict[Choice, tuple[Classifier, ...]] = {
        kind: tuple(
            fit_classifier(
                kind, features[fold != one], arm[fold != one], categorical=categorical, seed=seed
            )
            for one in range(folds)
        )
        for kind in kinds
    }
    if len(fits) > 1:
        fits["average"] = tuple(Average(members) for members in zip(*fits.values(), strict=True))
    raw = {
        kind: PropensityModel(kind, n_arms, models).propensities(features, fold)
        for kind, models in fits.items()
    }
    losses = {kind: log_loss(chances, arm) for kind, chances in raw.items()}
    best = min(fits, key=lambda kind: losses[kind])
    plain = PropensityModel(best, n_arms, fits[best])
    calibrators = _fit_calibrators(raw[best], arm, fold, folds)
    calibrated = PropensityModel(best, n_arms, fits[best], calibrators)
    chances = calibrated.propensities(features, fold)
    is_calibrated = log_loss(chances, arm) < losses[best] and all(
        _keeps_order(calibrator) for calibrator in calibrators
    )
    kept = calibrated if is_calibrated else plain
    chances = chances if is_calibrated else raw[best]
    return PropensityFit(kept, chances, _quality(chances, arm, losses, is_calibrated))


def log_loss(propensities: Matrix, arm: Integers) -> float:
    """Mean of minus the log of the chance of the arm that a unit got.

    Examples:
        >>> round(log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])), 4)
        0.4904
    """
    return float(-np.log(_of_arm(propensities, arm)).mean())


def clip_to_floor(propensities: npt.ArrayLike, floor: float) -> Matrix:
    """Chances of at least ``floor``, shape (n, K+1); the others shrink, so rows still sum to 1.

    Clipping trades some bias for weights that no single unit can carry away.

    Examples:
        >>> clip_to_floor([[0.0, 0.2, 0.8], [0.3, 0.3, 0.4]], 0.1)
        array([[0.1 , 0.18, 0.72],
               [0.3 , 0.3 , 0.4 ]])
    """
    chances = np.array(propensities, dtype=np.float64)
    lifted = np.zeros(chances.shape, dtype=np.bool_)
    for _ in range(chances.shape[1]):  # lifting some may push another below the floor
        below = (chances < floor) & ~lifted
        if not below.any():
            break
        lifted |= below
        left = 1.0 - floor * lifted.sum(axis=1, keepdims=True)
        free = np.where(lifted, 0.0, chances)
        total = free.sum(axis=1, keepdims=True)
        scale = np.divide(left, total, out=np.ones_like(total), where=total > 0.0)
        changed = below.any(axis=1)
        chances[changed] = np.where(lifted, floor, free * scale)[changed]
    return chances


def _fit_calibrators(
    chances: Matrix, arm: Integers, fold: Integers, folds: int
) -> tuple["LogisticRegression", ...]:
    from sklearn.linear_model import LogisticRegression

    log_odds = _log_odds(chances)
    return tuple(
        LogisticRegression(C=1e6, max_iter=500).fit(log_odds[fold != one], arm[fold != one])
        for one in range(folds)
    )


def _keeps_order(calibrator: "LogisticRegression") -> bool:
    """Whether higher log odds of each treatment still mean a higher chance of it."""
    slopes = np.asarray(calibrator.coef_)
    own = slopes if len(slopes) == 1 else slopes[1:] - slopes[0]
    return bool(np.all(np.diag(own) > 0.0))


def _quality(
    chances: Matrix, arm: Integers, losses: dict[Choice, float], is_calibrated: bool
) -> PropensityQuality:
    n_arms = chances.shape[1]
    shares = np.bincount(arm, minlength=n_arms) / arm.size
    lines = np.array([_calibration_line(chances[:, k], arm == k) for k in range(n_arms)])
    return PropensityQuality(
        log_loss=log_loss(chances, arm),
        log_loss_of_shares=float(-(shares * np.log(shares)).sum()),
        log_loss_of_candidates={str(kind): loss for kind, loss in losses.items()},
        is_calibrated=is_calibrated,
        slope=lines[:, 0],
        slope_error=lines[:, 1],
        intercept=lines[:, 2],
        spread=np.std([_logit(chances[:, k]) for k in range(n_arms)], axis=1),
        calibration_error=np.array(
            [_calibration_error(chances[:, k], arm == k) for k in range(n_arms)]
        ),
    )


def _calibration_line(chance: Vector, got: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Slope, its standard error and intercept; NaN where all chances are alike."""
    from sklearn.linear_model import LogisticRegression

    log_odds = _logit(chance)
    if np.ptp(log_odds) < 1e-6:
        return np.nan, np.nan, np.nan
    line = LogisticRegression(C=1e6, max_iter=500).fit(log_odds[:, None], got)
    told = line.predict_proba(log_odds[:, None])
    weight = told[:, 0] * told[:, 1]
    centre = np.average(log_odds, weights=weight)
    error = 1.0 / np.sqrt(np.sum(weight * (log_odds - centre) ** 2))
    return float(line.coef_[0, 0]), float(error), float(line.intercept_[0])


def _logit(chance: Vector) -> Vector:
    return np.asarray(np.log(chance / (1.0 - chance)))


def _calibration_error(chance: Vector, got: npt.NDArray[np.bool_]) -> float:
    """Tenths by rank, ties in the order of rows; sizes weigh."""
    tenths = np.array_split(np.argsort(chance, kind="stable"), _BINS)
    distances = [abs(float(np.sum(chance[rows] - got[rows]))) for rows in tenths if rows.size]
    return sum(distances) / chance.size


def _log_odds(chances: Matrix) -> Matrix:
    """Against control, shape (n, K)."""
    safe = np.maximum(chances, _SMALLEST)
    return np.log(safe[:, 1:] / safe[:, :1])


def _of_arm(propensities: Matrix, arm: Integers) -> Vector:
    return propensities[np.arange(arm.size), arm]


def _kept(chances: Matrix) -> Matrix:
    """On a grid of billionths, above 0, rows summing to 1."""
    rounded = np.maximum(np.round(chances / _SMALLEST), 1.0)
    kept: Matrix = rounded / rounded.sum(axis=1, keepdims=True)
    return kept
