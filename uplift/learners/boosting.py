"""One LightGBM booster on this machine: the same bytes for the same rows, every time."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from uplift.errors import ConfigError
from uplift.learners.base import Matrix, Objective, Parameters, Vector

# What a campaign may choose, with the type of its value. LightGBM itself ignores unknown names.
CHOICES: Mapping[str, type] = {
    "learning_rate": float,
    "num_leaves": int,
    "max_depth": int,
    "min_data_in_leaf": int,
    "min_sum_hessian_in_leaf": float,
    "lambda_l1": float,
    "lambda_l2": float,
    "min_gain_to_split": float,
    "path_smooth": float,
    "extra_trees": bool,
    "feature_fraction": float,
    "feature_fraction_bynode": float,
    "bagging_fraction": float,
    "bagging_freq": int,
    "max_bin": int,
    "min_data_in_bin": int,
    "min_data_per_group": int,
    "max_cat_threshold": int,
    "max_cat_to_onehot": int,
    "cat_l2": float,
    "cat_smooth": float,
    "use_missing": bool,
    "zero_as_missing": bool,
}


@dataclass(frozen=True)
class LocalTrainer:
    """Trains with LightGBM in this process. A ``BoosterTrainer``.

    Attributes:
        num_threads: For speed only, the trees are the same. One is safe on a shared machine, where
            more threads spend their time waiting for each other.
    """

    num_threads: int = 1

    def train(
        self,
        features: Matrix,
        outcome: Vector,
        *,
        weight: Vector | None,
        objective: Objective,
        parameters: Parameters,
        rounds: int,
        categorical: Sequence[int],
        seed: int,
        init_score: Vector | None = None,
        increasing: Sequence[int] = (),
    ) -> str:
        """The fitted booster as LightGBM's model text; see ``BoosterTrainer.train``."""
        import lightgbm  # here, because it hangs in processes forked after its import

        settings = booster_settings(
            parameters,
            objective=objective,
            seed=seed,
            num_threads=self.num_threads,
            increasing=increasing,
            n_features=features.shape[1],
        )
        with refusals_named(parameters):
            dataset = lightgbm.Dataset(
                features,
                outcome,
                weight=weight,
                init_score=init_score,
                feature_name=names_of(features),
                categorical_feature=list(categorical),
            )
            booster = lightgbm.train(settings, dataset, num_boost_round=rounds)
        return str(booster.model_to_string())


def booster_settings(
    parameters: Parameters,
    *,
    objective: Objective,
    seed: int,
    num_threads: int,
    increasing: Sequence[int],
    n_features: int,
) -> dict[str, bool | int | float | str]:
    """All parameters of a booster: those chosen, and those that make it repeatable.

    Raises:
        ConfigError: Something was chosen that cannot be.
    """
    check_parameters(parameters)
    settings = {
        **parameters,
        "objective": objective,
        "seed": seed,
        "num_threads": num_threads,
        "deterministic": True,
        "force_row_wise": True,  # else chosen by a race
        "verbosity": -1,
    }
    if increasing:
        signs = ("1" if index in increasing else "0" for index in range(n_features))
        settings["monotone_constraints"] = ",".join(signs)
    return settings


def names_of(features: Matrix) -> list[str]:
    """What LightGBM calls the columns; the names mean nothing."""
    return [f"f{index}" for index in range(features.shape[1])]


@contextmanager
def refusals_named(parameters: Parameters) -> Iterator[None]:
    """What LightGBM refuses is a mistake in the configuration, and is told as one."""
    import lightgbm

    try:
        yield
    except lightgbm.basic.LightGBMError as error:
        reason, _, _ = str(error).partition(" at ")  # the rest is a line of its source
        raise ConfigError(
            f"LightGBM refuses {dict(parameters)}: {reason}. Correct `training.booster`."
        ) from error


def check_parameters(parameters: Parameters) -> None:
    """Every parameter must be one that a campaign may choose, with a value of its type.

    Raises:
        ConfigError: Names all that are not, with the nearest valid name.
    """
    wrong = []
    for name, value in parameters.items():
        if name not in CHOICES:
            near = difflib.get_close_matches(name, CHOICES, n=1)
            wrong.append(f"`{name}` is unknown" + (f", did you mean `{near[0]}`?" if near else ""))
        elif not _fits(value, CHOICES[name]):
            wrong.append(f"`{name}` = {value!r} is no {CHOICES[name].__name__}")
    if wrong:
        raise ConfigError(
            f"{len(wrong)} of {len(parameters)} keys in `training.booster` are wrong: "
            f"{'; '.join(wrong)}. Valid are: {', '.join(CHOICES)}."
        )


def _fits(value: bool | int | float | str, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind
