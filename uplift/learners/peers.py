"""Learning with others: each holds a share of the rows, and all run the same lines in step.

A learner works on the rows that it is given. Where it needs to know something of all rows (how many
an arm has, a mean, a tree) it asks its peers, who at that very line ask the same. So the algebra of
the learners is written once: alone it is a program on one matrix, with peers the same program on
every share of a matrix that no machine holds.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Buffer: TypeAlias = bytes | bytearray | memoryview
Array: TypeAlias = npt.NDArray[np.float64]


class Peers(Protocol):
    """All who learn together, in one order; every call is made by all of them, or by none."""

    @property
    def rank(self) -> int:
        """Our place, 0..size - 1."""

    @property
    def size(self) -> int:
        """How many we are, ourselves among them."""

    def exchange(self, parts: Sequence[Buffer]) -> list[Buffer]:
        """Part j goes to peer j; what each peer had for us comes back, in their order.

        Raises:
            PeerLostError: A peer is gone, or silent for too long.
        """


class Alone:
    """Nobody else: our rows are all there are."""

    rank = 0
    size = 1

    def exchange(self, parts: Sequence[Buffer]) -> list[Buffer]:
        """What we had for ourselves."""
        return list(parts)


ALONE = Alone()


def gather(values: Array, peers: Peers) -> list[Array]:
    """The array of every peer, in their order; they may differ in the length of the first axis.

    Examples:
        >>> gather(np.array([1.0, 2.0]), ALONE)
        [array([1., 2.])]
    """
    heard = peers.exchange([values.astype(np.float64, copy=False).tobytes()] * peers.size)
    return [np.frombuffer(part).reshape(-1, *values.shape[1:]) for part in heard]


def total(values: Array, peers: Peers) -> Array:
    """The sum over all peers, added up in their order: the same bits for each of them."""
    return np.asarray(np.sum(gather(values, peers), axis=0))


def lowest(values: Array, peers: Peers) -> Array:
    """The smallest number of all peers, element by element."""
    return np.asarray(np.min(gather(values, peers), axis=0))
