"""The OpenAPI document: problems under their own media type, keys where they are needed."""

from fastapi import FastAPI

from serving.schemas.common import Problem

_PROBLEM_REF = f"#/components/schemas/{Problem.__name__}"
_KEY = "key"
_OPEN = ("/health/",)
_WITH_KEY = (401, 403, 429)


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The ``responses`` of an endpoint that may answer with these problems."""
    return {status: {"model": Problem} for status in statuses}


def install(app: FastAPI, *, needs_key: bool) -> None:
    """Describe what FastAPI cannot know.

    It takes every model for plain JSON; and that any request may be told to come again (503), or
    needs a key, it does not see.
    """
    describe = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = describe()
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
        document["components"]["schemas"].setdefault(Problem.__name__, Problem.model_json_schema())
        if needs_key:
            schemes = {_KEY: {"type": "http", "scheme": "bearer"}}
            document["components"]["securitySchemes"] = schemes
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _problem(description: str) -> dict[str, object]:
    content = {"application/json": {"schema": {"$ref": _PROBLEM_REF}}}
    return {"description": description, "content": content}


def _move(content: dict[str, dict[str, dict[str, object]]]) -> None:
    schema = content.get("application/json", {}).get("schema", {})
    if schema.get("$ref") == _PROBLEM_REF:
        content["application/problem+json"] = content.pop("application/json")
