"""A form's fields stand for an order; nonsense is named by its field."""

import pytest
from pydantic import ValidationError
from starlette.datastructures import QueryParams

from serving.console.forms import faults, order_of
from uplift.config import Order


def test_an_empty_form_is_everybody_who_may_be_contacted() -> None:
    empty = QueryParams("name=&format=&net_value_min=&top_n=+&budget_eur=&segments=&exclude=")
    assert order_of(empty) == order_of(QueryParams("")) == Order()


def test_every_field_restricts_what_it_names() -> None:
    order = order_of(
        QueryParams(
            "name=spring&format=xlsx&segments=persuadable&segments=sure_thing&evidence=strong"
            "&coupons=coupon_5&net_value_min=-1.5&top_n=10&budget_eur=99.5&exclude=a-1&group=control"
        )
    )
    audience = order.audience
    assert (order.name, order.format) == ("spring", "xlsx")
    assert audience.segments == ("persuadable", "sure_thing")
    assert audience.evidence == ("strong",)
    assert audience.coupons == ("coupon_5",)
    assert (audience.net_value_eur.min, audience.net_value_eur.max) == (-1.5, None)
    assert (audience.top_n, audience.budget_eur) == (10, 99.5)
    assert (audience.exclude, audience.group) == (("a-1",), "control")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("top_n", "many"),
        ("top_n", "0"),
        ("budget_eur", "-3"),
        ("budget_eur", "nan"),
        ("net_value", "1e999"),
        ("segments", "loyal"),
        ("evidence", "none"),
        ("group", "all"),
        ("format", "exe"),
        ("name", "../../etc"),
        ("name", "x" * 300),
    ],
)
def test_nonsense_is_named_by_its_field(field: str, value: str) -> None:
    sent = "net_value_min" if field == "net_value" else field
    with pytest.raises(ValidationError) as caught:
        order_of(QueryParams({sent: value}))
    (fault,) = faults(caught.value)
    assert fault.startswith((f"{field}: ", f"{field}_eur: "))
