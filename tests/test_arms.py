import pytest

from uplift.arms import CONTROL, Arms, arms_of
from uplift.errors import ContractError


def test_arms_keep_their_declared_order_and_not_that_of_their_names() -> None:
    arms = arms_of("no_coupon", ["coupon_5", "coupon_10"])
    assert arms.numbers() == {"no_coupon": CONTROL, "coupon_5": 1, "coupon_10": 2}
    assert arms.treatments == ("coupon_5", "coupon_10")


def test_an_unknown_arm_lists_the_known_ones_and_the_way_out() -> None:
    with pytest.raises(ContractError, match=r"'coupon_7'.*coupon_5.*ignore_arms"):
        Arms(("no_coupon", "coupon_5")).number_of("coupon_7")


def test_two_arms_of_one_name_are_refused() -> None:
    with pytest.raises(ContractError, match=r"\['a'\] appear more than once"):
        Arms(("a", "b", "a"))


def test_a_slug_is_fit_for_a_column_name() -> None:
    assert Arms(("No E-Mail", "coupon_5", "  10 % Off! ")).slugs == (
        "no_e_mail",
        "coupon_5",
        "10_off",
    )


@pytest.mark.parametrize("name", ["no coupon", "割引", "%"])
def test_names_that_are_no_two_columns_are_refused(name: str) -> None:
    with pytest.raises(ContractError, match="no two may be alike and none empty"):
        _ = Arms(("no_coupon", name)).slugs
