"""Trees as flat arrays: what every model compiles to, and what answers for it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from uplift.ensemble import kernels, store
from uplift.ensemble.checks import check_ensemble
from uplift.ensemble.masks import mask_layout
from uplift.errors import ContractError

Matrix: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int32]
Link: TypeAlias = Literal["identity", "logistic", "clipped"]

ARRAYS: Mapping[str, type[np.generic]] = {
    "roots": np.int32,
    "first_output": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
    "decision": np.uint8,
    "left": np.int32,
    "right": np.int32,
    "set_start": np.int32,
    "set_words": np.uint32,
    "leaf_values": np.float64,
}


@dataclass(frozen=True, eq=False)
class FlatEnsemble:
    """A sum of trees over float64 features, for one or more outputs; immutable and picklable.

    T trees hold N split nodes and L leaves. A reference to a node is its number, a reference to a
    leaf is the bitwise complement of its number. Every node and leaf is referred to exactly once,
    and a child node stands after its parent. A leaf is a vector of length W, added to W
    neighbouring outputs: W is 1 for a boosted tree, K + 1 for a tree that knows all arms.

    Attributes:
        n_features: d, the width of the feature matrix.
        n_outputs: How many numbers a row is answered with.
        roots: Where each tree starts, shape (T,).
        first_output: The output that the first entry of the tree's leaves is added to, shape (T,).
        feature: Column that each node looks at, shape (N,).
        threshold: Largest value that goes left, shape (N,); at a categorical node the number of
            the set whose members go left.
        decision: The bits of ``uplift.ensemble.decisions``, shape (N,).
        left: Child for values that go left, shape (N,).
        right: Child for the others, shape (N,).
        set_start: Where each category set starts in ``set_words``, and the end, shape (C + 1,).
        set_words: Members of the category sets as bits, 32 to a word.
        leaf_values: Shape (L, W).
        link: From the sum of leaves to the answer: nothing, a logistic curve, or a cut at 0 and 1.
        sigmoid: Steepness of the logistic link.

    Raises:
        ContractError: The arrays describe no trees, or trees that need other features or outputs.
    """

    n_features: int
    n_outputs: int
    roots: Integers
    first_output: Integers
    feature: Integers
    threshold: Matrix
    decision: npt.NDArray[np.uint8]
    left: Integers
    right: Integers
    set_start: Integers
    set_words: npt.NDArray[np.uint32]
    leaf_values: Matrix
    link: Link = "identity"
    sigmoid: float = 1.0

    def __post_init__(self) -> None:
        for name, dtype in ARRAYS.items():
            object.__setattr__(self, name, _frozen(name, getattr(self, name), dtype))
        check_ensemble(self)

    def __reduce__(self) -> tuple[type["FlatEnsemble"], tuple[object, ...]]:
        return FlatEnsemble, tuple(getattr(self, field.name) for field in fields(self))

    @classmethod
    def of(
        cls,
        arrays: Mapping[str, npt.ArrayLike],
        *,
        n_features: int,
        n_outputs: int,
        link: Link = "identity",
        sigmoid: float = 1.0,
    ) -> "FlatEnsemble":
        """An ensemble from arrays by name, of whatever type holds their numbers."""
        return cls(
            n_features=n_features,
            n_outputs=n_outputs,
            link=link,
            sigmoid=sigmoid,
            **{name: _frozen(name, arrays[name], dtype) for name, dtype in ARRAYS.items()},
        )

    def raw(self, features: Matrix) -> Matrix:
        """Sums of leaves, added in the order of the trees, shape (n, n_outputs).

        Args:
            features: float64, shape (n, d). NaN is a value that is not known.
        """
        self._require(features)
        features = np.ascontiguousarray(features)
        if self._masks is not None:
            return kernels.sum_by_masks(features, self._masks, self.n_outputs)
        return kernels.sum_by_steps(
            features,
            self.roots,
            self.first_output,
            self.feature,
            self.threshold,
            self.decision,
            self.left,
            self.right,
            self.set_start,
            self.set_words,
            self.leaf_values,
            self.n_outputs,
        )

    def passes(self, features: Matrix) -> npt.NDArray[np.bool_]:
        """Whether each row would go left at each node, reached or not, shape (n, N)."""
        self._require(features)
        return kernels.passes(
            features,
            self.feature,
            self.threshold,
            self.decision,
            self.set_start,
            self.set_words,
        )

    def predict(self, features: Matrix) -> Matrix:
        """The answer: ``raw`` through the link, shape (n, n_outputs)."""
        return self.linked(self.raw(features))

    def linked(self, raw: Matrix) -> Matrix:
        """Sums of leaves through the link, shape (n, n_outputs); ``raw`` is overwritten."""
        if self.link == "logistic":
            kernels.logistic(raw, self.sigmoid)
        elif self.link == "clipped":
            np.clip(raw, 0.0, 1.0, out=raw)
        return raw

    def digest(self) -> str:
        """SHA-256, in hex, of all that determines the answers; the file format is no part of it."""
        digest = hashlib.sha256()
        for name, array in self._contents().items():
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write one npz file: the same bytes for the same ensemble, and never half a file."""
        store.write_arrays(path, self._contents())

    @classmethod
    def load(cls, path: Path) -> "FlatEnsemble":
        """Read what ``save`` wrote; anything else is a ``ContractError`` that names the file."""
        contents = store.read_arrays(path, [field.name for field in fields(cls)])
        try:
            return cls.of(
                contents,
                n_features=int(contents["n_features"]),
                n_outputs=int(contents["n_outputs"]),
                link=cast(Link, str(contents["link"])),
                sigmoid=float(contents["sigmoid"]),
            )
        except (ContractError, TypeError, ValueError) as error:
            raise ContractError(f"{path} holds no usable ensemble: {error}") from error

    @cached_property
    def _masks(self) -> kernels.MaskLayout | None:
        return mask_layout(self)

    def _contents(self) -> dict[str, npt.NDArray[np.generic]]:
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    def _require(self, features: Matrix) -> None:
        if isinstance(features, np.ndarray):
            if (
                features.dtype == np.float64
                and features.ndim == 2
                and features.shape[1] == self.n_features
            ):
                return
            given = f"{features.dtype} of shape {features.shape}"
        else:
            given = f"a {type(features).__name__}"
        raise ContractError(
            f"the features are {given}; the ensemble needs a float64 array of shape "
            f"(n, {self.n_features}). Encode them with the encoder of the same model."
        )


def _frozen(name: str, values: npt.ArrayLike, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """``values`` as a read-only array of ``dtype``; a number that does not fit is an error."""
    given = np.asarray(values)
    if given.dtype == dtype and not given.flags.writeable and given.flags.c_contiguous:
        return given
    array = given.astype(dtype, order="C")
    if given.dtype != dtype and not np.array_equal(array, given):
        raise ContractError(f"`{name}` holds numbers that are no {np.dtype(dtype)}.")
    array.setflags(write=False)
    return array
