"""Sums over rows: by node, feature, bin and arm; by category; by leaf. All of them additive.

A kernel looks at one table of rows, be it the whole log, one tree's sample or one partition, and
adds to what it is handed. None needs another file's kernels. A row's values go to the cell of its
arm, or, if they are as many as the cells of all arms hold, to all of them.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

Sums: TypeAlias = npt.NDArray[np.int64]
Integers: TypeAlias = npt.NDArray[np.int64]
Places: TypeAlias = npt.NDArray[np.int32]
Codes: TypeAlias = npt.NDArray[np.uint8]
Levels: TypeAlias = npt.NDArray[np.uint16]
Flags: TypeAlias = npt.NDArray[np.bool_]


class Sample(NamedTuple):
    """Rows as one tree sees them: m rows, the tree's d columns, every category in its bin.

    Attributes:
        codes: Shape (m, d).
        arm: Shape (m,).
        values: What each row adds to the cell of its arm, shape (m, width), or to those of all
            arms, shape (m, n_arms * width).
    """

    codes: Codes
    arm: Codes
    values: Sums


@njit(nogil=True, cache=True)
def take_codes(
    codes: Codes,
    levels: Levels,
    rows: Places,
    columns: Integers,
    level_place: Integers,
    level_bin: Codes,
) -> Codes:
    """Codes of some rows and columns; where ``level_place`` is not -1 the bins of its levels."""
    taken = np.empty((len(rows), len(columns)), np.uint8)
    for place in range(len(rows)):
        row = rows[place]
        for column in range(len(columns)):
            table = level_place[column]
            if table < 0:
                taken[place, column] = codes[row, columns[column]]
            else:
                taken[place, column] = level_bin[table, levels[row, table]]
    return taken


@njit(nogil=True, cache=True)
def add_levels(levels: Levels, arm: Codes, values: Sums, rows: Places, sums: Sums) -> None:
    """Add the rows to ``sums`` by level and arm, shape (65,536, n_arms, width)."""
    width, n_entries = sums.shape[2], values.shape[1]
    flat = sums.reshape(len(sums), -1)
    for row in rows:
        first = arm[row] * width if n_entries == width else 0
        for entry in range(n_entries):
            flat[levels[row], first + entry] += values[row, entry]


@njit(nogil=True, cache=True)
def add_nodes(
    sample: Sample,
    order: Places,
    starts: Integers,
    ends: Integers,
    first_bin: Integers,
    histograms: Sums,
) -> None:
    """Add each node's rows to its histogram, shape (nodes, bins of all features, arms, width).

    Node j holds the rows ``order[starts[j]:ends[j]]`` of the sample.
    """
    codes, arms, values = sample
    n_arms, width = histograms.shape[2:]
    n_features, n_entries = codes.shape[1], values.shape[1]
    flat = histograms.reshape(len(histograms), -1)
    cell = n_arms * width
    for node in range(len(starts)):
        own = flat[node]
        if width == 1:
            for place in range(starts[node], ends[node]):
                row = order[place]
                arm, value = np.int64(arms[row]), values[row, 0]
                for feature in range(n_features):
                    own[(first_bin[feature] + codes[row, feature]) * cell + arm] += value
        else:
            for place in range(starts[node], ends[node]):
                row = order[place]
                first = np.int64(arms[row]) * width if n_entries == width else 0
                for feature in range(n_features):
                    at = (first_bin[feature] + codes[row, feature]) * cell + first
                    for entry in range(n_entries):
                        own[at + entry] += values[row, entry]


@njit(nogil=True, cache=True)
def sibling_histograms(
    parents: Sums, parent: Integers, small: Sums, kept_small: Integers, kept_large: Integers
) -> Sums:
    """Histograms of the children that go on: small ones, then what large ones have left.

    Pair j has the small child ``small[j]`` and the parent ``parents[parent[j]]``.
    """
    n_small = len(kept_small)
    kept = np.empty((n_small + len(kept_large), *small.shape[1:]), np.int64)
    out, of_parent = kept.reshape(len(kept), -1), parents.reshape(len(parents), -1)
    of_small = small.reshape(len(small), -1)
    for place in range(n_small):
        out[place] = of_small[kept_small[place]]
    for place in range(len(kept_large)):
        pair = kept_large[place]
        whole, less, left = of_parent[parent[pair]], of_small[pair], out[n_small + place]
        for cell in range(len(left)):
            left[cell] = whole[cell] - less[cell]
    return kept


@njit(nogil=True, cache=True)
def part_nodes(
    codes: Codes,
    order: Places,
    starts: Integers,
    ends: Integers,
    feature: Integers,
    split: Integers,
    missing_low: Flags,
    missing_code: Integers,
) -> Integers:
    """Put each node's low rows before its high ones, in their order; how many are low, by node."""
    n_low = np.zeros(len(starts), np.int64)
    kept = np.empty(max(0, (ends - starts).max()), np.int32)
    for node in range(len(starts)):
        column = feature[node]
        last, missing, stays = split[node], missing_code[column], missing_low[node]
        at, n_kept = starts[node], 0
        for place in range(starts[node], ends[node]):
            row = order[place]
            code = codes[row, column]
            is_low = stays if code == missing else code <= last
            order[at] = row
            kept[n_kept] = row
            at += is_low
            n_kept += not is_low
        order[at : ends[node]] = kept[:n_kept]
        n_low[node] = at - starts[node]
    return n_low


@njit(nogil=True, cache=True)
def leaves_of(
    codes: Codes,
    levels: Levels,
    rows: Places,
    column: Integers,
    split: Integers,
    missing_low: Flags,
    low: Integers,
    high: Integers,
    missing_code: Integers,
    level_place: Integers,
    level_bin: Codes,
) -> Places:
    """The leaf that each of some rows ends in; ``column`` is -1 at leaves."""
    leaves = np.empty(len(rows), np.int32)
    for place in range(len(rows)):
        row, node = rows[place], 0
        while column[node] >= 0:
            feature = column[node]
            table = level_place[feature]
            code = codes[row, feature] if table < 0 else level_bin[table, levels[row, table]]
            is_low = missing_low[node] if code == missing_code[feature] else code <= split[node]
            node = low[node] if is_low else high[node]
        leaves[place] = node
    return leaves


@njit(nogil=True, cache=True)
def add_leaves(leaves: Places, rows: Places, arm: Codes, values: Sums, sums: Sums) -> None:
    """Add some rows to ``sums`` by leaf and arm, shape (nodes, n_arms, width)."""
    width, n_entries = sums.shape[2], values.shape[1]
    flat = sums.reshape(len(sums), -1)
    for place in range(len(rows)):
        row = rows[place]
        first = arm[row] * width if n_entries == width else 0
        for entry in range(n_entries):
            flat[leaves[place], first + entry] += values[row, entry]


@njit(nogil=True, cache=True)
def add_all(arm: Codes, values: Sums, sums: Sums) -> None:
    """Add all rows to ``sums`` by arm, shape (n_arms, width)."""
    width, n_entries = sums.shape[1], values.shape[1]
    flat = sums.reshape(-1)
    for row in range(len(arm)):
        first = arm[row] * width if n_entries == width else 0
        for entry in range(n_entries):
            flat[first + entry] += values[row, entry]
