"""Which units a tree sees, and in which half: by hash, so never by the place of a row.

A unit's key comes from SHA-256 (``uplift.hashing.hash_keys``); what a tree makes of it is decided
by the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), which costs a nanosecond. Rows
with one key, a cluster, stay together. Every unit is drawn on its own, so the size of a sample is
right on average, and the same unit is drawn wherever its row lies.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

Keys: TypeAlias = npt.NDArray[np.uint64]
Places: TypeAlias = npt.NDArray[np.int32]

_TREE, _GROUP, _FEATURE, _SHARD = 1, 2, 3, 4  # what a draw is for


@njit(nogil=True, cache=True)
def _mixed(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(nogil=True, cache=True)
def _stream(seed: int, purpose: int, number: int) -> np.uint64:
    """A key of its own for every purpose of every tree."""
    gamma = np.uint64(0x9E3779B97F4A7C15)
    stream = _mixed(np.uint64(seed) + gamma)
    stream = _mixed(stream ^ (np.uint64(purpose) * gamma))
    return _mixed(stream + np.uint64(number) * gamma)


@njit(nogil=True, cache=True)
def draw_rows(
    keys: Keys,
    seed: int,
    tree: int,
    group: int,
    group_share: float,
    tree_share: float,
    n_shards: int = 1,
    is_honest: bool = True,
) -> tuple[Places, Places]:
    """Row numbers of a tree's growing and of its estimating part, both ascending.

    A unit belongs to its group's share of the log with chance ``group_share``, then to the tree
    with chance ``tree_share``, then to either half with chance 1/2. Of the first half the tree's
    own shard grows; all that does not grow estimates. Without honesty the tree's shard grows with
    both halves, and everybody estimates.
    """
    of_group, of_tree = _stream(seed, _GROUP, group), _stream(seed, _TREE, tree)
    of_shard, shard = _stream(seed, _SHARD, 0), tree % n_shards
    unit = 2.0**-53
    parts = np.empty((2, len(keys)), np.int32)
    counts = np.zeros(2, np.int64)
    for row in range(len(keys)):
        of_half = float(_mixed(keys[row] ^ of_group) >> np.uint64(11)) * unit
        if of_half >= group_share:
            continue
        bits = _mixed(keys[row] ^ of_tree)
        if float(bits >> np.uint64(11)) * unit >= tree_share:
            continue
        grows = not is_honest or bits & np.uint64(1) == np.uint64(0)
        if grows and n_shards > 1:
            grows = _shard(keys[row], of_shard, n_shards) == shard
        if grows:
            parts[0, counts[0]] = row
            counts[0] += 1
        if not (grows and is_honest):
            parts[1, counts[1]] = row
            counts[1] += 1
    return parts[0, : counts[0]].copy(), parts[1, : counts[1]].copy()


@njit(nogil=True, cache=True)
def _shard(key: np.uint64, of_shard: np.uint64, n_shards: int) -> int:
    return int(float(_mixed(key ^ of_shard) >> np.uint64(11)) * 2.0**-53 * n_shards)


@njit(nogil=True, cache=True)
def shards_of(keys: Keys, seed: int, n_shards: int) -> npt.NDArray[np.int32]:
    """The shard of every unit; tree t finds its splits in shard ``t % n_shards``."""
    of_shard = _stream(seed, _SHARD, 0)
    shards = np.empty(len(keys), np.int32)
    for row in range(len(keys)):
        shards[row] = _shard(keys[row], of_shard, n_shards)
    return shards


@njit(nogil=True, cache=True)
def draw_features(
    n_features: int, n_drawn: int, seed: int, tree: int, paths: Keys
) -> npt.NDArray[np.bool_]:
    """Which features each node may split on, shape (n_nodes, n_features).

    ``paths`` tells nodes apart: the root is 1, the children of node p are 2p and 2p + 1. Path 0
    draws the features of the whole tree.
    """
    drawn = np.ones((len(paths), n_features), np.bool_)
    if n_drawn >= n_features:
        return drawn
    of_tree = _stream(seed, _FEATURE, tree)
    for node in range(len(paths)):
        drawn[node] = False
        bits = _mixed(of_tree ^ _mixed(paths[node]))
        order = np.arange(n_features)
        for place in range(n_drawn):
            bits = _mixed(bits + np.uint64(0x9E3779B97F4A7C15))
            other = place + np.int64((bits >> np.uint64(33)) % np.uint64(n_features - place))
            order[place], order[other] = order[other], order[place]
            drawn[node, order[place]] = True
    return drawn


@njit(nogil=True, cache=True)
def counted_keys(n_rows: int) -> Keys:
    """Keys for rows that have none: the row's number, spread like a hash."""
    keys = np.empty(n_rows, np.uint64)
    for row in range(n_rows):
        keys[row] = _mixed((np.uint64(row) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
    return keys


def sparse_limit(share: float) -> int:
    """Units with a key below this are about ``share`` of all; no seed, so that SQL can ask too."""
    return min(int(share * 2.0**64), 2**64 - 1)
