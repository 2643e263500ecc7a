"""Messages of audiences and their files."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from serving.schemas.common import Id, Message
from uplift.config import Order


class ExpectedOutcome(Message):
    """What an audience should bring, as far as the model knows."""

    offers: int
    incremental_conversions: float
    cost_eur: float
    profit_eur: float


class PreviewResponse(Message):
    """An audience before anything is written."""

    run_id: str
    customers: int
    as_decided: Annotated[
        ExpectedOutcome, Field(description="Each gets what the policy decided within its budget.")
    ]
    with_best_coupon: Annotated[
        ExpectedOutcome, Field(description="Each gets the coupon that pays best for them.")
    ]
    overlap: Annotated[
        Mapping[str, int],
        Field(description="Customers who stand in the newest export of the same name too."),
    ]


class ExportResponse(Message):
    """An export that was asked for, and what became of it."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled", "lost"]
    progress: Annotated[float, Field(ge=0.0, le=1.0)]
    asked_at: str
    order: Order
    problem: str | None
    rows: int | None
    bytes: int | None
    sha256: str | None
    run_id: str | None
    export_id: Annotated[str | None, Field(description="For `exclude` and `since`.")]
    file: Annotated[str | None, Field(description="Path of the file, once it is done.")]


class ExportsResponse(Message):
    """All exports of a key, the newest first."""

    exports: list[ExportResponse]


class ColumnDescribed(Message):
    """A column that can be chosen, or restricted under `where`."""

    name: str
    type: str
    meaning: str


class ColumnsResponse(Message):
    """The data dictionary of the current run."""

    columns: list[ColumnDescribed]


class SuppressionRequest(Message):
    """Customers who asked to be left alone, or no longer do."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"unit_ids": ["u018"], "reason": "asked by mail"}]}
    )

    unit_ids: Annotated[list[Id], Field(min_length=1, max_length=5000)]
    action: Annotated[
        Literal["suppress", "lift"],
        Field(description="`suppress` holds from the next decision and the next file on."),
    ] = "suppress"
    reason: Annotated[str, Field(max_length=200)] = "asked"


class SuppressionResponse(Message):
    """How many of them it is news for."""

    changed: int
