"""A form of the audience page, and the order that it stands for."""

from collections.abc import Sequence

from pydantic import ValidationError
from starlette.datastructures import FormData, QueryParams

from uplift.config import Order

FORMATS = ("csv", "excel", "xlsx", "parquet", "jsonl")


def order_of(form: QueryParams | FormData) -> Order:
    """The order that the fields describe; an empty field does not restrict.

    Raises:
        ValidationError: A field holds nonsense.
    """

    def listed(name: str) -> Sequence[str]:
        return [str(value) for value in form.getlist(name) if value]

    def single(name: str) -> str | None:
        return str(form.get(name) or "").strip() or None

    return Order.model_validate(
        {
            "name": single("name") or "audience",
            "format": single("format") or "csv",
            "audience": {
                "segments": listed("segments"),
                "evidence": listed("evidence"),
                "coupons": listed("coupons"),
                "net_value_eur": {"min": single("net_value_min")},
                "top_n": single("top_n"),
                "budget_eur": single("budget_eur"),
                "exclude": listed("exclude"),
                "group": single("group") or "targeted",
            },
        }
    )


def faults(error: ValidationError) -> list[str]:
    """What is wrong with a form, a line each, by the last name of the field."""
    found = []
    for item in error.errors(include_url=False):
        names = [part for part in item["loc"] if isinstance(part, str) and part != "min"]
        found.append(f"{names[-1] if names else 'audience'}: {item['msg']}")
    return found
