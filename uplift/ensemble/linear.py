"""A linear model as an ensemble: slopes for numbers, stumps for all that is no number."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from uplift.ensemble.decisions import CATEGORICAL, MISSING_NAN
from uplift.ensemble.flat import FlatEnsemble, Link, Matrix

_BITS = 32  # to a word of a category set


def linear(
    slopes: Matrix,
    *,
    intercept: float,
    missing: Mapping[int, float],
    categories: Mapping[int, Mapping[int, float]],
    link: Link = "identity",
) -> FlatEnsemble:
    """An ensemble of one output that answers with a linear model.

    Args:
        slopes: What the answer gains per unit of each number, shape (d,); 0 at a category.
        intercept: What everybody starts from.
        missing: By feature, what is added where it is missing.
        categories: By feature and category, what the category adds; one that is not named, or is
            missing, adds nothing.
        link: From the sum to the answer.

    Examples:
        >>> model = linear(np.array([2.0, 0.0]), intercept=1.0, missing={0: 7.0},
        ...                categories={1: {3: 0.5}})
        >>> model.predict(np.array([[10.0, 3.0], [np.nan, 4.0]]))
        array([[21.5],
               [ 8. ]])
    """
    unknown = [(feature, np.inf, MISSING_NAN, 0.0, value) for feature, value in missing.items()]
    levels = [
        (feature, level, value)
        for feature, values in categories.items()
        for level, value in values.items()
    ]
    members = [
        (feature, float(number), CATEGORICAL, value, 0.0)
        for number, (feature, _, value) in enumerate(levels)
    ]
    stumps = np.array([*unknown, *members], dtype=np.float64).reshape(-1, 5)
    feature, threshold, decision, left, right = stumps.T
    n_stumps = len(stumps)
    sets = [_set_of(level) for _, level, _ in levels]
    leaf = ~np.arange(2 * n_stumps + 1)  # the intercept is leaf 0, a tree of its own
    arrays = {
        "roots": np.append(leaf[0], np.arange(n_stumps)),
        "first_output": np.zeros(n_stumps + 1),
        "feature": feature,
        "threshold": threshold,
        "decision": decision,
        "left": leaf[1::2],
        "right": leaf[2::2],
        "set_start": np.cumsum([0, *(len(words) for words in sets)]),
        "set_words": np.concatenate([*sets, np.empty(0, dtype=np.uint32)]),
        "leaf_values": np.append(intercept, np.column_stack([left, right])).reshape(-1, 1),
    }
    return FlatEnsemble.of(
        arrays,
        n_features=len(slopes),
        n_outputs=1,
        link=link,
        slopes=np.asarray(slopes, dtype=np.float64).reshape(-1, 1),
    )


def _set_of(level: int) -> npt.NDArray[np.uint32]:
    """The set of one category, as words."""
    words = np.zeros(level // _BITS + 1, dtype=np.uint32)
    words[-1] = np.uint32(1) << np.uint32(level % _BITS)
    return words
