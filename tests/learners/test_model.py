import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.learners.builders import ARMS, ENCODER, constant_model
from uplift.arms import Arms
from uplift.columns import CONVERSION, REVENUE
from uplift.ensemble import constant
from uplift.errors import ContractError, ModelNotReadyError, VersionMismatchError
from uplift.features.encoder import fit_encoder
from uplift.forest import ForestRows, ForestSettings, effects_with_errors, grow_forest
from uplift.learners.base import CateModel
from uplift.learners.model import load_model

TWO_UNITS = np.zeros((2, 2))
SWAPPED = fit_encoder(tuple(reversed(ENCODER.columns)), ENCODER.categories)


def test_an_effect_is_a_treatment_minus_control() -> None:
    model: CateModel = constant_model()
    assert model.expected_outcome(TWO_UNITS).tolist() == [[0.1, 0.15, 0.3]] * 2
    np.testing.assert_allclose(model.cate(TWO_UNITS), [[0.05, 0.2]] * 2)


def test_an_effect_on_revenue_is_in_euro() -> None:
    assert constant_model().cate(TWO_UNITS, REVENUE).tolist() == [[1.0, 3.0]] * 2


def test_an_outcome_that_is_not_modelled_is_named() -> None:
    model = constant_model(ensembles={CONVERSION: constant([0.1, 0.2, 0.3], n_features=2)})
    assert model.outcomes == (CONVERSION,)
    with pytest.raises(ContractError, match=r"'revenue' is not modelled; .*\['conversion'\]"):
        model.cate(TWO_UNITS, REVENUE)


def test_a_model_answers_for_conversion_at_least() -> None:
    with pytest.raises(ContractError, match="'conversion' must be among them"):
        constant_model(ensembles={REVENUE: constant([1.0, 2.0, 3.0], n_features=2)})


@pytest.mark.parametrize(
    ("n_arms", "n_features", "message"),
    [(2, 2, "knows 2 arms and 2 features, the model has 3 and 2"), (3, 5, "3 arms and 5 features")],
)
def test_an_ensemble_of_other_arms_or_features_does_not_belong(
    n_arms: int, n_features: int, message: str
) -> None:
    ensemble = constant(np.zeros(n_arms), n_features=n_features)
    with pytest.raises(VersionMismatchError, match=message):
        constant_model(ensembles={CONVERSION: ensemble})


@pytest.mark.parametrize(
    "changed",
    [
        {"arms": Arms(("no_coupon", "coupon_10", "coupon_5"))},
        {"encoder": SWAPPED},
        {"encoder": fit_encoder(ENCODER.columns, {"city": ["Bonn", "Kiel"]})},
        {"ensembles": {CONVERSION: constant([0.1, 0.15, 0.3], n_features=2)}},
        {
            "ensembles": {
                CONVERSION: constant([0.1, 0.15, 0.3], n_features=2),
                REVENUE: constant([4.0, 5.0, 7.5], n_features=2),
            }
        },
    ],
)
def test_the_version_changes_with_everything_that_answers(changed: dict[str, object]) -> None:
    assert constant_model(**changed).version != constant_model().version


def test_the_version_does_not_depend_on_remarks_or_the_order_of_outcomes() -> None:
    model = constant_model()
    turned = dict(reversed(model.ensembles.items()))
    assert constant_model(metadata={"by": "ann"}, ensembles=turned).version == model.version


def test_the_version_is_twelve_digits_and_the_same_in_every_process() -> None:
    assert constant_model().version == "5ce0cadc662a"


def test_the_bundle_brings_back_the_model(tmp_path: Path) -> None:
    model = constant_model()
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert (loaded.version, loaded.arms, loaded.encoder) == (model.version, ARMS, ENCODER)
    assert loaded.metadata == {"learner": "by hand"}
    assert loaded.expected_outcome(TWO_UNITS, REVENUE).tolist() == [[4.0, 5.0, 7.0]] * 2


def test_the_bundle_is_one_document_and_one_file_per_outcome(tmp_path: Path) -> None:
    constant_model().save(tmp_path / "deep" / "model")
    names = {path.name for path in (tmp_path / "deep" / "model").iterdir()}
    assert names == {"model.json", "conversion.npz", "revenue.npz"}


def contents(directory: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}


def test_the_same_model_is_always_the_same_bytes(tmp_path: Path) -> None:
    constant_model().save(tmp_path / "a")
    load_model(tmp_path / "a").save(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_saving_replaces_the_whole_bundle(tmp_path: Path) -> None:
    constant_model().save(tmp_path / "model")
    only = constant_model(ensembles={CONVERSION: constant([0.2, 0.2, 0.2], n_features=2)})
    only.save(tmp_path / "model")
    assert load_model(tmp_path / "model").version == only.version
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert not (tmp_path / "model" / "revenue.npz").exists()


def test_a_save_that_fails_leaves_the_old_bundle_and_the_next_one_clears_up(tmp_path: Path) -> None:
    model = constant_model()
    model.save(tmp_path / "model")
    with pytest.raises(TypeError):
        constant_model(metadata={"when": {1, 2}}).save(tmp_path / "model")
    assert load_model(tmp_path / "model").version == model.version
    model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_place_without_a_bundle_has_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotReadyError, match=r"no model at .*jobs/train_model"):
        load_model(tmp_path / "model")


def rewrite(key: str, value: object) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        document = json.loads((directory / "model.json").read_text())
        document[key] = value
        (directory / "model.json").write_text(json.dumps(document))

    return change


def swap_ensembles(directory: Path) -> None:
    shutil.copy(directory / "revenue.npz", directory / "conversion.npz")


def lose_an_ensemble(directory: Path) -> None:
    (directory / "revenue.npz").unlink()


def cut_the_document(directory: Path) -> None:
    (directory / "model.json").write_text('{"arms": [')


def empty_the_document(directory: Path) -> None:
    (directory / "model.json").write_text("{}")


def make_it_a_list(directory: Path) -> None:
    (directory / "model.json").write_text("[]")


@pytest.mark.parametrize(
    ("tamper", "error", "message"),
    [
        (rewrite("arms", ["no_coupon", "coupon_10", "coupon_5"]), VersionMismatchError, "changed"),
        (rewrite("encoder", SWAPPED.to_document()), VersionMismatchError, "but its content is"),
        (rewrite("version", "0123456789ab"), VersionMismatchError, "version '0123456789ab'"),
        (rewrite("arms", ["no_coupon", "coupon_5"]), VersionMismatchError, "knows 3 arms"),
        (rewrite("format_version", 2), VersionMismatchError, "format 2, this software reads 1"),
        (swap_ensembles, VersionMismatchError, "a file was changed or mixed in"),
        (lose_an_ensemble, ContractError, "revenue.npz does not exist"),
        (cut_the_document, ContractError, "model.json is no model document"),
        (empty_the_document, ContractError, "is no model document: 'format_version'"),
        (make_it_a_list, ContractError, "model.json is no model document"),
        (rewrite("encoder", 7), ContractError, "encoder"),
        (rewrite("outcomes", ["conversion"]), VersionMismatchError, "but its content is"),
    ],
)
def test_a_bundle_that_was_changed_afterwards_is_refused(
    tamper: Callable[[Path], None], error: type[Exception], message: str, tmp_path: Path
) -> None:
    constant_model().save(tmp_path / "model")
    tamper(tmp_path / "model")
    with pytest.raises(error, match=message):
        load_model(tmp_path / "model")


def test_a_model_travels_by_pickle() -> None:
    model = constant_model()
    arrived = pickle.loads(pickle.dumps(model))
    assert arrived.version == model.version
    assert arrived.cate(TWO_UNITS).tolist() == model.cate(TWO_UNITS).tolist()


def test_a_model_tells_how_sure_it_is_where_its_trees_stand_in_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    features = rng.integers(0, 3, size=(900, 2)).astype(np.float64)
    rows = ForestRows(features, np.arange(900) % 3, rng.random(900), np.full(900, 1 / 3))
    settings = ForestSettings(n_trees=20, min_leaf_rows=30, min_arm_rows=5)
    forest = grow_forest(rows, 3, settings=settings, seed=1)
    model = constant_model(
        ensembles={
            CONVERSION: forest.ensemble,
            REVENUE: constant([4.0, 5.0, 7.0], n_features=2),
        }
    )
    error = model.effect_standard_error(features)
    assert error is not None
    assert error.shape == (900, 2)
    assert np.array_equal(error, effects_with_errors(forest, features).standard_error)
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model").effect_standard_error(features[:1])
    assert loaded is not None
    assert loaded.tolist() == error[:1].tolist()
    assert model.effect_standard_error(features, REVENUE) is None
    with pytest.raises(ContractError, match="'margin' is not modelled"):
        model.effect_standard_error(features, "margin")
