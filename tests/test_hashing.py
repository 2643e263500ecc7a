import hashlib

import numpy as np

from uplift.hashing import hash_key, hash_keys, hash_uniforms

UNITS = [f"user-{i}" for i in range(20_000)]


def test_a_key_is_the_head_of_the_sha_256_of_salt_nul_unit() -> None:
    digest = hashlib.sha256(b"salt\x00ann").hexdigest()
    assert hash_key("ann", "salt") == int(digest[:16], 16)


def test_many_keys_are_the_keys_of_each() -> None:
    assert hash_keys(["ann", "zoë"], "s").tolist() == [hash_key("ann", "s"), hash_key("zoë", "s")]


def test_the_draws_are_uniform() -> None:
    draws = np.sort(hash_uniforms(UNITS, "holdout"))
    steps = np.arange(1, len(draws) + 1) / len(draws)
    distance = np.abs(draws - steps).max()
    assert distance < 1.95 / np.sqrt(len(draws))  # Kolmogorov-Smirnov at 0.1 %


def test_two_salts_give_independent_draws() -> None:
    one, two = hash_uniforms(UNITS, "a"), hash_uniforms(UNITS, "b")
    assert abs(np.corrcoef(one, two)[0, 1]) < 4.0 / np.sqrt(len(UNITS))


def test_salt_and_unit_do_not_run_into_each_other() -> None:
    assert hash_key("bc", "a") != hash_key("c", "ab")
