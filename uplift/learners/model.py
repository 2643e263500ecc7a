"""The fitted model and its bundle: all that is needed to answer, and nothing that trained it."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np

from uplift.arms import CONTROL, Arms
from uplift.columns import CONVERSION
from uplift.ensemble import FlatEnsemble
from uplift.errors import ContractError, ModelNotReadyError, VersionMismatchError
from uplift.features.encoder import FeatureEncoder
from uplift.learners.base import Matrix
from uplift.workspace import read_document, write_document

FORMAT_VERSION = 1
_DOCUMENT = "model.json"
_WAY_OUT = "Train again with jobs/train_model, or fetch the model again."


@dataclass(frozen=True)
class UpliftModel:
    """Expected outcomes per arm, with the arms and the encoder they were learned with.

    Attributes:
        arms: Control first; column k of an expected outcome belongs to arm k.
        encoder: Turns named features into the matrix that the ensembles know.
        ensembles: By outcome (``conversion``, and ``revenue`` where modelled), one output per arm.
        metadata: Remarks on how it was fitted; no part of the version.

    Raises:
        VersionMismatchError: An ensemble answers for other arms or other features.
    """

    arms: Arms
    encoder: FeatureEncoder
    ensembles: Mapping[str, FlatEnsemble]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if CONVERSION not in self.ensembles:
            raise ContractError(
                f"the model answers for {sorted(self.ensembles)}; {CONVERSION!r} must be among "
                f"them. {_WAY_OUT}"
            )
        for outcome, ensemble in self.ensembles.items():
            have = (ensemble.n_outputs, ensemble.n_features)
            need = (len(self.arms.names), self.encoder.n_features)
            if have != need:
                raise VersionMismatchError(
                    f"the ensemble for {outcome!r} knows {have[0]} arms and {have[1]} features, "
                    f"the model has {need[0]} and {need[1]}. {_WAY_OUT}"
                )

    @cached_property
    def version(self) -> str:
        """First 12 hex digits of SHA-256 over arms, encoder and ensembles."""
        content = {
            "arms": list(self.arms.names),
            "encoder": self.encoder.to_document(),
            "ensembles": {name: self.ensembles[name].digest() for name in sorted(self.ensembles)},
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What is modelled, in alphabetical order."""
        return tuple(sorted(self.ensembles))

    def expected_outcome(self, features: Matrix, outcome: str = CONVERSION) -> Matrix:
        """Expected ``outcome`` in every arm, control first, shape (n, K + 1).

        Args:
            features: What the encoder gives, shape (n, d).
            outcome: ``conversion`` (a probability) or ``revenue`` (euro).
        """
        return self.ensemble(outcome).predict(features)

    def ensemble(self, outcome: str) -> FlatEnsemble:
        """What answers for ``outcome``, one output per arm."""
        if outcome not in self.ensembles:
            raise ContractError(
                f"outcome {outcome!r} is not modelled; the model knows {list(self.outcomes)}. "
                "Train with a log that has it."
            )
        return self.ensembles[outcome]

    def cate(self, features: Matrix, outcome: str = CONVERSION) -> Matrix:
        """Effect of every treatment on ``outcome``, shape (n, K), in the outcome's unit."""
        expected = self.expected_outcome(features, outcome)
        return np.delete(expected, CONTROL, axis=1) - expected[:, [CONTROL]]

    def save(self, directory: Path) -> None:
        """Write the bundle: ``model.json`` and one npz file per outcome.

        A bundle that stands there is replaced as a whole; one that is cut short stays invisible.
        """
        staging = directory.with_name(f".{directory.name}.staging")
        previous = directory.with_name(f".{directory.name}.previous")
        for leftover in (staging, previous):
            shutil.rmtree(leftover, ignore_errors=True)
        for outcome, ensemble in self.ensembles.items():
            ensemble.save(staging / f"{outcome}.npz")
        document = {
            "format_version": FORMAT_VERSION,
            "version": self.version,
            "arms": list(self.arms.names),
            "encoder": self.encoder.to_document(),
            "outcomes": list(self.outcomes),
            "metadata": dict(self.metadata),
        }
        write_document(staging / _DOCUMENT, document)
        if directory.exists():
            directory.rename(previous)
        staging.rename(directory)
        shutil.rmtree(previous, ignore_errors=True)


def load_model(directory: Path) -> UpliftModel:
    """Read a bundle that ``UpliftModel.save`` wrote, and check that it is whole and unchanged.

    Raises:
        ModelNotReadyError: There is no bundle.
        ContractError: A file of it is missing or damaged.
        VersionMismatchError: Its parts do not belong together, or were changed afterwards.
    """
    path = directory / _DOCUMENT
    if not path.is_file():
        raise ModelNotReadyError(f"there is no model at {directory}. {_WAY_OUT}")
    try:
        document = read_document(path, made_by="train_model")
        format_version = document["format_version"]
        if format_version != FORMAT_VERSION:
            raise VersionMismatchError(
                f"{path} has format {format_version}, this software reads {FORMAT_VERSION}. "
                f"{_WAY_OUT}"
            )
        outcomes = cast(list[str], document["outcomes"])
        model = UpliftModel(
            arms=Arms(tuple(cast(list[str], document["arms"]))),
            encoder=FeatureEncoder.from_document(cast(Mapping[str, object], document["encoder"])),
            ensembles={name: FlatEnsemble.load(directory / f"{name}.npz") for name in outcomes},
            metadata=cast(Mapping[str, str], document["metadata"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(f"{path} is no model document: {error}. {_WAY_OUT}") from error
    if model.version != document.get("version"):
        raise VersionMismatchError(
            f"the bundle at {directory} says it is version {document.get('version')!r}, but its "
            f"content is {model.version!r}: a file was changed or mixed in. {_WAY_OUT}"
        )
    return model
