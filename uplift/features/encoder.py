"""One way from named values to the numbers that trees see, for a table and for a single request."""

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from uplift.errors import ContractError
from uplift.features.spec import FeatureColumn, Kind

Matrix: TypeAlias = npt.NDArray[np.float64]

_WAY_OUT = "Correct the source, or the feature's `kind` in `features`."
_NUMBERS = (int, float, Decimal, np.integer, np.floating, np.bool_)


@dataclass(frozen=True)
class FeatureEncoder:
    """Turns named values into the float matrix of a model, one row per unit.

    A number stays itself, true is 1 and false 0. A category becomes its place in ``categories``.
    Null, and a category that training has not seen, become NaN: trees treat both as missing. Text
    in a numeric column, a number in a categorical one, and infinity are errors.

    Attributes:
        columns: The columns of the matrix, in order.
        categories: The known categories of every categorical column.
    """

    columns: tuple[FeatureColumn, ...]
    categories: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        categorical = {column.name for column in self.columns if column.kind == "categorical"}
        if categorical != set(self.categories):
            raise ContractError(
                f"the encoder has categories for {sorted(self.categories)}, its {len(categorical)} "
                f"categorical columns are {sorted(categorical)}. Train again with jobs/train_model."
            )

    @property
    def n_features(self) -> int:
        """d: how many columns the matrix has."""
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in matrix order."""
        return tuple(column.name for column in self.columns)

    @property
    def categorical_indices(self) -> tuple[int, ...]:
        """Which columns of the matrix hold categories."""
        return tuple(i for i, column in enumerate(self.columns) if column.kind == "categorical")

    def encode(self, table: pa.Table | pa.RecordBatch) -> Matrix:
        """The matrix of many units, shape (n, d), rows in the order of ``table``."""
        self._require(table.schema.names)
        matrix = np.empty((table.num_rows, self.n_features), dtype=np.float64)
        for index, column in enumerate(self.columns):
            values = table.column(column.name)
            if column.kind == "numeric":
                matrix[:, index] = _numbers(column.name, values)
            else:
                matrix[:, index] = _codes(column.name, values, self.categories[column.name])
        return matrix

    def encode_one(self, values: Mapping[str, object]) -> Matrix:
        """The matrix of one unit, shape (1, d): the same numbers as ``encode``, in microseconds.

        Every feature must be named; give ``None`` for one that is not known.
        """
        row = []
        try:
            for name, codes in self._lookups:
                value = values[name]
                if codes is not None:
                    row.append(_code(name, value, codes))
                elif type(value) is float and math.isfinite(value):
                    row.append(value)
                else:
                    row.append(_number(name, value))
        except KeyError:
            self._require(values)
            raise
        return np.array([row], dtype=np.float64)

    def to_document(self) -> dict[str, object]:
        """The encoder as JSON values; ``from_document`` brings back an equal one."""
        return {
            "columns": [{"name": column.name, "kind": column.kind} for column in self.columns],
            "categories": {name: list(known) for name, known in self.categories.items()},
        }

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> "FeatureEncoder":
        """The encoder that ``to_document`` described."""
        try:
            columns = cast(Sequence[Mapping[str, str]], document["columns"])
            categories = cast(Mapping[str, Sequence[str]], document["categories"])
            return cls(
                columns=tuple(
                    FeatureColumn(column["name"], _kind(column["kind"])) for column in columns
                ),
                categories={name: tuple(known) for name, known in categories.items()},
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ContractError(
                f"the encoder's document lacks or misspells {error}; it must have been written by "
                "FeatureEncoder.to_document. Train again with jobs/train_model."
            ) from error

    @cached_property
    def _lookups(self) -> tuple[tuple[str, dict[str, float] | None], ...]:
        return tuple(
            (name, {category: float(i) for i, category in enumerate(self.categories[name])})
            if name in self.categories
            else (name, None)
            for name in self.names
        )

    def _require(self, given: Iterable[str]) -> None:
        missing = sorted(set(self.names).difference(given))
        if missing:
            raise ContractError(
                f"{len(missing)} of {self.n_features} features are missing: {missing}. Build the "
                "features from the `features` section that the model was trained with."
            )


def fit_encoder(
    columns: Sequence[FeatureColumn], categories: Mapping[str, Iterable[str]]
) -> FeatureEncoder:
    """An encoder for these columns; categories are sorted by name.

    So the same values give the same codes, however the rows were partitioned and whatever order
    they came in.

    Examples:
        >>> encoder = fit_encoder([FeatureColumn("city", "categorical")], {"city": ["Ulm", "Bonn"]})
        >>> encoder.encode_one({"city": "Ulm"})
        array([[1.]])
    """
    return FeatureEncoder(
        columns=tuple(columns),
        categories={name: tuple(sorted(set(known))) for name, known in categories.items()},
    )


def _kind(text: str) -> Kind:
    if text not in get_args(Kind):
        raise KeyError(text)
    return cast(Kind, text)


def _numbers(name: str, values: pa.ChunkedArray | pa.Array) -> Matrix:
    """A numeric column as floats, shape (n,)."""
    kind = values.type
    if pa.types.is_decimal(kind):
        values = pc.cast(values, pa.string())  # the way to float that rounds as Python does
    elif not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    ):
        raise _wrong_type(name, "numeric", values)
    floats = _to_numpy(pc.cast(values, pa.float64(), safe=False))
    n_infinite = int(np.isinf(floats).sum())
    if n_infinite:
        raise ContractError(
            f"feature {name!r} is infinite in {n_infinite} of {len(floats)} rows. Give null where "
            "the value is not known."
        )
    return floats


def _codes(name: str, values: pa.ChunkedArray | pa.Array, known: tuple[str, ...]) -> Matrix:
    """A categorical column as places in ``known``, shape (n,)."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (is_text or pa.types.is_string_view(kind) or pa.types.is_null(kind)):
        raise _wrong_type(name, "categorical", values)
    text = pc.cast(values, pa.string())
    places = pc.index_in(text, value_set=pa.array(known, pa.string()))
    return _to_numpy(pc.cast(places, pa.float64()))


def _to_numpy(floats: pa.ChunkedArray | pa.Array) -> Matrix:
    """Floats as numpy has them: null is NaN."""
    filled = pc.fill_null(floats, math.nan)
    return cast(Matrix, np.asarray(filled, dtype=np.float64))


def _wrong_type(name: str, kind: Kind, values: pa.ChunkedArray | pa.Array) -> ContractError:
    present = values.drop_null()
    example = reprlib.repr(present[0].as_py()) if len(present) else "nothing but null"
    return ContractError(
        f"feature {name!r} is {kind}, but its {len(values)} rows hold values of type "
        f"{values.type}, such as {example}. {_WAY_OUT}"
    )


def _number(name: str, value: object) -> float:
    if value is None:
        return math.nan
    if not isinstance(value, _NUMBERS):
        raise ContractError(
            f"feature {name!r} is numeric, but got {reprlib.repr(value)}. {_WAY_OUT}"
        )
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise ContractError(
            f"feature {name!r} is infinite ({reprlib.repr(value)}). Give null where the value is "
            "not known."
        )
    return number


def _code(name: str, value: object, codes: Mapping[str, float]) -> float:
    if isinstance(value, str):
        return codes.get(value, math.nan)
    if value is None:
        return math.nan
    raise ContractError(
        f"feature {name!r} is categorical, but got {reprlib.repr(value)}. {_WAY_OUT}"
    )
