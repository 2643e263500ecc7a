import numpy as np
from scipy import stats

from uplift.experiment.simulate.noise import Noise


def test_asking_twice_gives_the_same_numbers_twice() -> None:
    noise = Noise(seed=1, block=2, n=5)
    assert noise.uniform("age").tolist() == noise.uniform("age").tolist()


def test_the_noise_of_a_customer_does_not_depend_on_how_many_follow() -> None:
    few, many = Noise(seed=1, block=2, n=5), Noise(seed=1, block=2, n=5000)
    assert few.uniform("age").tolist() == many.uniform("age")[:5].tolist()
    assert few.normal("age").tolist() == many.normal("age")[:5].tolist()


def test_names_blocks_and_seeds_have_streams_of_their_own() -> None:
    streams = [
        Noise(seed, block, n=2000).normal(name)
        for seed, block, name in [(1, 0, "a"), (1, 0, "b"), (1, 1, "a"), (2, 0, "a")]
    ]
    correlations = np.corrcoef(streams)[np.triu_indices(4, k=1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(2000)
    assert all(stats.kstest(stream, "norm").pvalue > 0.001 for stream in streams)


def test_members_of_a_household_share_the_noise_that_is_declared_shared() -> None:
    noise = Noise(seed=1, block=0, n=5, household_size=2, shared=frozenset({"loyalty"}))
    a, b, c, d, e = noise.normal("loyalty/amount")
    assert (a == b, b == c, c == d, d == e) == (True, False, True, False)
    assert len(set(noise.normal("age"))) == 5
    assert noise.heads.tolist() == [0, 0, 2, 2, 4]
