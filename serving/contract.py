"""The OpenAPI document, with problems under their own media type."""

from fastapi import FastAPI

from serving.schemas import Problem

_PROBLEM_REF = f"#/components/schemas/{Problem.__name__}"


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The ``responses`` of an endpoint that may answer with these problems."""
    return {status: {"model": Problem} for status in statuses}


def install(app: FastAPI) -> None:
    """Describe problems as what they are; FastAPI takes every model for plain JSON."""
    describe = app.openapi

    def openapi() -> dict[str, object]:
        document = describe()
        for path in document["paths"].values():
            for operation in path.values():
                for response in operation["responses"].values():
                    _move(response.get("content", {}))
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _move(content: dict[str, dict[str, dict[str, object]]]) -> None:
    schema = content.get("application/json", {}).get("schema", {})
    if schema.get("$ref") == _PROBLEM_REF:
        content["application/problem+json"] = content.pop("application/json")
