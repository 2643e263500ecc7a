"""What all messages are made of, and the one shape of every error."""

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from serving.values import FeatureValue


class Message(BaseModel):
    """A part of a request or an answer: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _feature_value(value: object) -> FeatureValue:
    if value is None or isinstance(value, str):
        return value
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise PydanticCustomError("feature_value", "Give a finite number, text or null")
    return number


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "Leave out the character NUL")
    return text


Text = Annotated[str, Field(min_length=1, max_length=256)]
Id = Annotated[
    Text,
    AfterValidator(_no_nul),
    Field(json_schema_extra={"pattern": "^[^\\u0000]*$"}),
]
WireValue = Annotated[
    FeatureValue,
    BeforeValidator(_feature_value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}),
]
Features = Annotated[
    dict[Text, WireValue],
    Field(
        max_length=1000,
        description="Features as of now, in place of those of the night; null: not known.",
    ),
]


class Fault(Message):
    """One thing wrong with a request."""

    pointer: Annotated[str, Field(description="JSON pointer into the body.")]
    code: str
    message: str


class Problem(Message):
    """RFC 9457: what every answer but a 2xx looks like."""

    type: str
    code: Annotated[str, Field(description="Stable: write programs against it.")]
    title: str
    status: int
    detail: str
    instance: Annotated[str, Field(description="Path of the request.")]
    request_id: Annotated[str, Field(description="As in the header `x-request-id`.")] = ""
    errors: list[Fault] = Field(default_factory=list)
