"""The OpenAPI document: problems under their own media type, keys where they are needed."""

import copy
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from serving.schemas.common import Problem
from serving.service import DecisionService

_PROBLEM_REF = f"#/components/schemas/{Problem.__name__}"
_KEY = "key"
_OPEN = ("/health/",)
_WITH_KEY = (401, 403, 429)


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The ``responses`` of an endpoint that may answer with these problems."""
    return {status: {"model": Problem} for status in statuses}


def install(app: FastAPI, *, needs_key: bool, service_of: Callable[[], DecisionService]) -> None:
    """Describe what FastAPI cannot know.

    It takes every model for plain JSON; and that any request may be told to come again (503), or
    needs a key, it does not see. Nor does it know which features the model of now has, and which
    coupons the campaign: the document is that of the run that serves.
    """
    describe = app.openapi

    def openapi() -> dict[str, object]:
        document = copy.deepcopy(describe())
        for path, operations in document["paths"].items():
            for operation in operations.values():
                answers = operation["responses"]
                if not path.startswith(_OPEN):
                    answers.setdefault("503", _problem("Come again"))
                    for status in _WITH_KEY if needs_key else ():
                        answers.setdefault(str(status), _problem("See `code`"))
                    if needs_key:
                        operation["security"] = [{_KEY: []}]
                for response in answers.values():
                    _move(response.get("content", {}))
        schemas = document["components"]["schemas"]
        _name_what_is_known(schemas, service_of())
        if needs_key:
            schemes = {_KEY: {"type": "http", "scheme": "bearer"}}
            document["components"]["securitySchemes"] = schemes
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _name_what_is_known(schemas: dict[str, Any], service: DecisionService) -> None:
    """For a single decision; one wrong customer of many does not make the request invalid."""
    kinds = {"categorical": "string", "numeric": "number"}
    features = {
        column.name: {"anyOf": [{"type": kinds[column.kind]}, {"type": "null"}]}
        for column in service.model.encoder.columns
    }
    asked = schemas["DecisionRequest"]["properties"]
    asked["features"] = {
        "type": "object",
        "description": asked["features"]["description"],
        "properties": features,
        "additionalProperties": False,
    }
    eligible = asked["eligible"]["anyOf"][0]
    eligible["items"] = {"type": "string", "enum": list(service.policy.arms.treatments)}


def _problem(description: str) -> dict[str, object]:
    content = {"application/json": {"schema": {"$ref": _PROBLEM_REF}}}
    return {"description": description, "content": content}


def _move(content: dict[str, dict[str, dict[str, object]]]) -> None:
    schema = content.get("application/json", {}).get("schema", {})
    if schema.get("$ref") == _PROBLEM_REF:
        content["application/problem+json"] = content.pop("application/json")
