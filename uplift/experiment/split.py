"""Which units teach the model and which judge it: decided by name, so it never changes."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from uplift.hashing import hash_uniforms

TRAIN = "train"
TEST = "test"


def split_of(cluster_ids: Iterable[str], *, test_share: float, salt: str) -> npt.NDArray[np.str_]:
    """``"train"`` or ``"test"`` for each unit, shape (n,), by the hash of its randomisation unit.

    All units of a cluster land on the same side, and a unit stays on its side when the log grows,
    is reordered or is split over more machines. About ``test_share`` of the clusters are held out;
    the share of units can differ where clusters differ in size.

    Examples:
        >>> split_of(["ann", "bob", "dora", "ann"], test_share=0.5, salt="split-1")
        array(['train', 'train', 'test', 'train'], dtype='<U5')
    """
    return np.where(hash_uniforms(cluster_ids, salt) < test_share, TEST, TRAIN)
