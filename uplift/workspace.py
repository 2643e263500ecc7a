"""Where a campaign's files live. One folder; everything in it can be rebuilt by rerunning jobs."""

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from uplift.errors import ContractError


@dataclass(frozen=True)
class Workspace:
    """The folder of one campaign, with a place for each kind of thing in it."""

    root: Path

    def table(self, name: str) -> Path:
        """A Parquet folder written by one job and read by the next."""
        return self.root / "tables" / name

    def report(self, name: str) -> Path:
        """A small JSON document: experiment report, evaluation, allocation."""
        return self.root / "reports" / f"{name}.json"

    def page(self, name: str) -> Path:
        """A report as one HTML page for people, beside the document."""
        return self.root / "reports" / f"{name}.html"

    @property
    def model(self) -> Path:
        """The champion's bundle as last pulled from the registry by a job."""
        return self.root / "model"

    @property
    def published(self) -> Path:
        """Immutable snapshots and the pointer ``CURRENT``."""
        return self.root / "published"

    @property
    def keys(self) -> Path:
        """Digests of the API's keys."""
        return self.root / "keys.json"

    @property
    def decision_log(self) -> Path:
        """What the API decided, to be learned from."""
        return self.root / "decision_log"

    @property
    def shadow_log(self) -> Path:
        """What a challenger would have decided."""
        return self.root / "decision_log_shadow"

    @property
    def ledger(self) -> Path:
        """Counts against caps, and first answers by request id."""
        return self.root / "ledger.sqlite"

    @property
    def last_good(self) -> Path:
        """The run that the API served last."""
        return self.root / "serving.json"

    @property
    def exports(self) -> Path:
        """Audience files for marketers."""
        return self.root / "exports"

    @property
    def suppressions(self) -> Path:
        """Customers who asked to be left alone."""
        return self.root / "suppressions.sqlite"

    @property
    def tracking_uri(self) -> str:
        """The embedded MLflow store."""
        return f"sqlite:///{self.root / 'mlflow.db'}"


def write_document(path: Path, document: object) -> None:
    """Write JSON so that a reader sees the old document or the new one, never half of one."""
    write_text(path, json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text in the same way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with staging.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)


def read_document(path: Path, *, made_by: str) -> dict[str, object]:
    """Read a JSON document; a missing one names the job that makes it."""
    if not path.is_file():
        raise ContractError(f"{path} does not exist. Run jobs/{made_by} first.")
    document: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return document
