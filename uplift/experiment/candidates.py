"""Two kinds of helper models with opposite tastes: smooth curves, and boosted trees.

Small logs with a smooth truth (hundreds of rows) want the first, large ones with thresholds and
interactions the second; whoever uses them lets held-out rows choose.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, cast, get_args

import numpy as np

from uplift.experiment.observed import Integers, Matrix, Vector

Kind: TypeAlias = Literal["splines", "boosting"]
Choice: TypeAlias = Literal["splines", "boosting", "average"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)  # quantiles; beyond the outer ones a curve is straight
_FEW_VALUES = 8  # a column with no more of them enters as it is
_MOST_LEVELS = 50  # of a categorical; the rarest share one column
_MOST_BINS = 255  # levels that boosting can hold; a column with more is taken for a quantity
_RIDGE = 1.0
_TREES = {"learning_rate": 0.05, "max_iter": 100, "max_leaf_nodes": 15, "l2_regularization": 1.0}


class Classifier(Protocol):
    """Tells the chance of every arm."""

    def predict_proba(self, features: Matrix) -> Matrix:
        """Shape (n, K+1), rows sum to 1."""
        ...


class Regressor(Protocol):
    """Tells an expected outcome."""

    def predict(self, features: Matrix) -> Vector:
        """Shape (n,)."""
        ...


@dataclass(frozen=True)
class Average:
    """The mean of several opinions: tastes that err in different places err less together."""

    members: tuple[Classifier, ...]

    def predict_proba(self, features: Matrix) -> Matrix:
        """Shape (n, K+1), rows sum to 1."""
        opinions = [member.predict_proba(features) for member in self.members]
        return np.asarray(np.mean(opinions, axis=0))


@contextmanager
def one_thread() -> Iterator[None]:
    """No pools of threads inside: the same bits everywhere, and a Spark task has but one core.

    On a busy machine the pools of the tree library wait for each other far longer than they work.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def fit_classifier(
    kind: Kind, features: Matrix, arm: Integers, *, categorical: Sequence[int], seed: int
) -> Classifier:
    """Chances of arms, fitted on rows of which every arm has some."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if kind == "splines":
        logistic = LogisticRegression(C=1.0 / _RIDGE, max_iter=500)
        model = make_pipeline(*_smooth(features, categorical), logistic)
    else:
        trees = HistGradientBoostingClassifier(
            **_TREES,
            early_stopping=False,
            random_state=seed,
            categorical_features=_coded(features, categorical),
        )
        model = make_pipeline(_only(_filled(features)), trees)
    with one_thread():
        return cast(Classifier, model.fit(features, arm))


def fit_regressor(
    kind: Kind, features: Matrix, outcome: Vector, *, categorical: Sequence[int], seed: int
) -> Regressor:
    """Expected outcomes by squared error, so a mean for chances and euros alike."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    if kind == "splines":
        model = make_pipeline(*_smooth(features, categorical), Ridge(alpha=_RIDGE))
    else:
        trees = HistGradientBoostingRegressor(
            **_TREES,
            early_stopping=False,
            random_state=seed,
            categorical_features=_coded(features, categorical),
        )
        model = make_pipeline(_only(_filled(features)), trees)
    with one_thread():
        return cast(Regressor, model.fit(features, outcome))


def _smooth(features: Matrix, categorical: Sequence[int]) -> tuple[object, object]:
    """Cubic splines of quantities, columns of 0 and 1 for levels and for missing values."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

    def fill() -> SimpleImputer:
        return SimpleImputer(strategy="median", keep_empty_features=True)

    steps: list[tuple[str, object, list[int]]] = []
    numeric = [c for c in range(features.shape[1]) if c not in set(categorical)]
    plain = []
    for column in numeric:
        knots = _knots(features[:, column])
        if knots is None:
            plain.append(column)
        else:
            spline = SplineTransformer(knots=knots, extrapolation="linear", include_bias=False)
            steps.append((f"curve {column}", make_pipeline(fill(), spline), [column]))
    steps.append(("plain", fill(), plain))
    steps.append(("missing", MissingIndicator(error_on_new=False), numeric))
    levels = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=_MOST_LEVELS,
        sparse_output=False,
    )
    steps.append(("levels", levels, list(categorical)))
    used = [step for step in steps if step[2]]
    return ColumnTransformer(used, sparse_threshold=0.0), StandardScaler()


def _knots(column: Vector) -> Matrix | None:
    """Distinct quantiles as a column; None where a straight line is all that the values allow."""
    values = column[~np.isnan(column)]
    distinct = np.unique(values)
    if distinct.size <= _FEW_VALUES:
        return None
    knots = np.unique(np.quantile(values, _KNOTS))
    if knots.size < 3:  # most values are alike: spread the knots over the others
        knots = np.unique(np.quantile(distinct, _KNOTS))
    return knots[:, None]


def _filled(features: Matrix) -> list[int]:
    """The columns with any value; trees cannot bin one without."""
    return np.flatnonzero(~np.isnan(features).all(axis=0)).tolist()


def _only(columns: list[int]) -> object:
    from sklearn.compose import ColumnTransformer

    return ColumnTransformer([("filled", "passthrough", columns)])


def _coded(features: Matrix, categorical: Sequence[int]) -> list[int]:
    """Places, among the columns with any value, of those that trees take for codes."""
    codes = {c for c in categorical if np.nanmax(features[:, c], initial=0.0) < _MOST_BINS}
    return [place for place, column in enumerate(_filled(features)) if column in codes]
