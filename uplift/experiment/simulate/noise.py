"""The exogenous noise of a block of customers: one stream per name.

A stream depends on the seed, the block and its name only. So the noise of a customer is the same
in every arm, under every intervention and whatever else the scenario declares, and the first rows
of a block do not depend on how many follow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.hashing import hash_key

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """Streams of random numbers for ``n`` customers of one block.

    The members of a household share the streams of the nodes in ``shared``: that is what makes
    them alike.
    """

    seed: int
    block: int
    n: int
    household_size: int = 1
    shared: frozenset[str] = frozenset()

    def generator(self, name: str) -> np.random.Generator:
        """A fresh generator of one stream; asking twice gives the same numbers twice."""
        stream = np.random.SeedSequence(self.seed, spawn_key=(self.block, hash_key(name)))
        return np.random.default_rng(stream)

    def uniform(self, name: str) -> Vector:
        """Numbers in [0, 1), shape (n,)."""
        return self._per_customer(name, self.generator(name).random(self._draws(name)))

    def normal(self, name: str) -> Vector:
        """Standard normal numbers, shape (n,)."""
        return self._per_customer(name, self.generator(name).standard_normal(self._draws(name)))

    @property
    def heads(self) -> npt.NDArray[np.intp]:
        """Row of the first member of each customer's household, shape (n,)."""
        return np.arange(self.n) // self.household_size * self.household_size

    def _draws(self, name: str) -> int:
        return -(-self.n // self.household_size) if self._is_shared(name) else self.n

    def _per_customer(self, name: str, numbers: Vector) -> Vector:
        if not self._is_shared(name):
            return numbers
        return np.repeat(numbers, self.household_size)[: self.n]

    def _is_shared(self, name: str) -> bool:
        return self.household_size > 1 and name.split("/")[0] in self.shared
