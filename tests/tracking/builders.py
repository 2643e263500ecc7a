"""A small fitted model, a store of its own, and the closure of a list of requirements."""

import math
from collections.abc import Iterable
from functools import cache
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from uplift.arms import Arms
from uplift.config import Tracking
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.boosting import LocalTrainer
from uplift.learners.fit import Plan, fit_model
from uplift.learners.model import UpliftModel
from uplift.tracking.code import CodeVersion
from uplift.tracking.registry import CHALLENGER, RegisteredVersion
from uplift.tracking.runs import Findings, Lesson, log_model_run
from uplift.tracking.store import TrackingStore

COLUMNS = (FeatureColumn("age", "numeric"), FeatureColumn("region", "categorical"))
TRACKING = Tracking(uri=None, experiment="uplift", registered_model="uplift-test")
CODE = CodeVersion(package="0.1.0", sources="a" * 64, commit="b" * 40)
LESSON = Lesson("training_set", "c" * 32, 900, {"age": "double"}, "tables/training_set")


def raw_features(n: int, seed: int = 0) -> pd.DataFrame:
    """Ages with gaps and regions with gaps."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(18.0, 90.0, n)
    age[rng.random(n) < 0.1] = math.nan
    return pd.DataFrame({"age": age, "region": rng.choice(["north", "south", None], n)})


@cache
def fitted_model(seed: int = 0) -> UpliftModel:
    """A T-learner over two coupons whose answer depends on age and region."""
    frame = raw_features(900, seed)
    rng = np.random.default_rng(seed)
    encoder = fit_encoder(COLUMNS, {"region": ["north", "south"]})
    arm = np.arange(900) % 3
    chance = 0.2 + 0.2 * (frame["region"] == "north") * arm
    conversion = (rng.random(900) < chance).astype(np.float64)
    return fit_model(
        encoder.encode(pa.Table.from_pandas(frame, preserve_index=False)),
        arm,
        np.full(900, 1.0 / 3.0),
        {"conversion": conversion, "revenue": conversion * rng.uniform(5.0, 50.0, 900)},
        arms=Arms(("no_coupon", "coupon_5", "coupon_10")),
        encoder=encoder,
        plan=Plan(
            trainer=LocalTrainer(num_threads=1),
            parameters={"num_leaves": 4, "min_data_in_leaf": 20},
            rounds=5,
            seed=seed,
        ),
        metadata={"training_set": LESSON.digest},
    )


def log_small_run(
    store: TrackingStore, model: UpliftModel | None = None, findings: Findings | None = None
) -> RegisteredVersion:
    """One run with little in it."""
    return log_model_run(
        store,
        model or fitted_model(),
        name="t-learner",
        parameters={"rounds": 5, "booster.num_leaves": 4, "budget": None},
        lesson=LESSON,
        code=CODE,
        findings=findings or Findings(metrics={"n_rows": 900.0}),
        alias=CHALLENGER,
    )


def closure(requirements: Iterable[str]) -> set[str]:
    """Canonical names of all distributions that these requirements bring along."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        extras = ["", *wanted.extras]
        if wanted.marker and not any(wanted.marker.evaluate({"extra": e}) for e in extras):
            continue
        if name not in found:
            found.add(name)
            waiting += [
                need
                for line in distribution(name).requires or []
                if _applies(need := Requirement(line), extras)
            ]
    return found


def link_distributions(names: set[str], folder: Path) -> None:
    """Make ``folder`` hold exactly these distributions, as links to where they are installed."""
    folder.mkdir()
    owners: dict[str, set[str]] = {}
    places: dict[str, Path] = {}
    for installed in distributions():
        for top in _tops(installed):
            owners.setdefault(top, set()).add(canonicalize_name(installed.name))
            places[top] = Path(str(installed.locate_file(top)))
    for top, owned_by in owners.items():
        if owned_by & names:
            assert owned_by <= names, f"{top} is shared with {owned_by - names}"
            (folder / top).symlink_to(places[top])


def _applies(need: Requirement, extras: list[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras)


def _tops(installed: Distribution) -> set[str]:
    tops = {Path(str(file)).parts[0] for file in installed.files or []}
    return tops - {"..", "__pycache__", "bin"}
