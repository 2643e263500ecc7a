import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.experiment.simulate.builders import world_of
from uplift.experiment.simulate.equations import (
    Category,
    Count,
    Linear,
    Logit,
    Product,
    Table,
    ZeroInflated,
    choose,
    poisson_quantile,
)
from uplift.experiment.simulate.formula import Formula
from uplift.experiment.simulate.tree import Irritation, Split, Tree

CHANNELS = {"channel": ("web", "app")}
number = st.floats(-4.0, 4.0)
chance = st.floats(0.0, 1.0, exclude_max=True)


def test_a_sum_adds_a_number_per_parent_and_a_number_per_level() -> None:
    formula = Formula(intercept=1.0, terms={"age": 2.0, "channel": {"app": 10.0}})
    world = world_of(CHANNELS, age=[0.0, 1.0, 2.0], channel=[0, 1, 1])
    assert formula.total(world).tolist() == [1.0, 13.0, 15.0]


@given(intercept=number, slope=number, age=number)
def test_a_logit_is_one_where_the_noise_lies_below_the_closed_form(
    intercept: float, slope: float, age: float
) -> None:
    world = world_of(age=[age] * 5)
    drawn = Logit(kind="logit", intercept=intercept, terms={"age": slope}).draw("buys", world)
    closed_form = 1.0 / (1.0 + np.exp(-(intercept + slope * age)))
    assert drawn.tolist() == (world.noise.uniform("buys") < closed_form).astype(float).tolist()


@given(uniform=chance, mean=st.floats(0.001, 600.0))
def test_a_count_has_the_poisson_distribution(uniform: float, mean: float) -> None:
    k = poisson_quantile(np.array([uniform]), np.array([mean]), at_most=1000)[0]
    assert stats.poisson.cdf(k - 1, mean) <= uniform + 1e-9
    assert stats.poisson.cdf(k, mean) >= uniform - 1e-9


def test_a_count_never_exceeds_its_bound() -> None:
    drawn = Count(kind="count", intercept=50.0, at_most=3).draw("visits", world_of(x=[0, 0]))
    assert drawn.tolist() == [3.0, 3.0]


@given(uniform=chance, weights=st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5))
def test_a_column_is_chosen_by_the_share_of_the_line_that_it_covers(
    uniform: float, weights: list[float]
) -> None:
    shares = np.array(weights) / sum(weights)
    column = choose(shares[None, :], np.array([uniform]))[0]
    assert shares[:column].sum() <= uniform + 1e-12
    assert column == len(shares) - 1 or uniform <= shares[: column + 1].sum() + 1e-12


@pytest.mark.parametrize(
    ("link", "expected"),
    [("identity", [0.0, 1.0]), ("exp", [1.0, np.e]), ("logistic", [0.5, 1 / (1 + np.exp(-1))])],
)
def test_a_linear_node_without_noise_is_its_sum_through_the_link(
    link: str, expected: list[float]
) -> None:
    equation = Linear.model_validate({"kind": "linear", "link": link, "terms": {"x": 1}})
    np.testing.assert_allclose(equation.draw("y", world_of(x=[0, 1])), expected)


def test_a_linear_node_is_clipped_then_rounded() -> None:
    equation = Linear(kind="linear", terms={"x": 1.0}, low=18.2, high=90.0, decimals=0)
    assert equation.draw("age", world_of(x=[3, 40.6, 99])).tolist() == [18.0, 41.0, 90.0]


def test_the_noise_of_a_linear_node_is_normal_with_its_deviation() -> None:
    drawn = Linear(kind="linear", intercept=5.0, sd=2.0).draw("x", world_of(x=[0.0] * 4000))
    assert abs(drawn.mean() - 5.0) < 4 * 2.0 / np.sqrt(4000)
    assert stats.kstest((drawn - 5.0) / 2.0, "norm").pvalue > 0.001


def test_a_category_shifts_the_odds_of_a_level() -> None:
    equation = Category(
        kind="category",
        shares={"web": 1.0, "app": 1.0},
        shifts={"app": Formula(terms={"young": float(np.log(3.0))})},
    )
    n = 8000
    drawn = equation.draw("channel", world_of(young=[0.0] * n + [1.0] * n))
    for part, share in ((drawn[:n], 1 / 2), (drawn[n:], 3 / 4)):
        assert abs(part.mean() - share) < 4 * np.sqrt(share * (1 - share) / n)


def test_a_table_holds_one_number_per_pair_of_levels() -> None:
    levels = {"channel": ("web", "app"), "arm": ("nothing", "coupon")}
    equation = Table(
        kind="table",
        by=("channel", "arm"),
        entries={"web": {"nothing": 0.0, "coupon": 1.0}, "app": {"nothing": 2.0, "coupon": 3.0}},
    )
    world = world_of(levels, channel=[0, 0, 1, 1], arm=[0, 1, 0, 1])
    assert equation.draw("pull", world).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_tree_asks_numbers_and_levels_down_to_a_leaf() -> None:
    tree = Tree(
        kind="tree",
        split="age",
        below=30,
        then=1.0,
        otherwise=Split(split="channel", among=("app",), then=2.0, otherwise=3.0),
    )
    world = world_of(CHANNELS, age=[29, 30, 30], channel=[1, 1, 0])
    assert tree.draw("pull", world).tolist() == [1.0, 2.0, 3.0]


def test_a_product_multiplies_its_parents() -> None:
    drawn = Product(kind="product", of=("a", "b", "c")).draw("p", world_of(a=[2], b=[3], c=[-1]))
    assert drawn.tolist() == [-6.0]


@pytest.mark.parametrize(("intercept", "log_mean", "log_sd"), [(-2.0, 3.0, 0.5), (1.0, 0.0, 0.0)])
def test_the_expected_spend_is_the_mean_of_many_spends(
    intercept: float, log_mean: float, log_sd: float
) -> None:
    equation = ZeroInflated(
        chance=Formula(intercept=intercept), log_mean=Formula(intercept=log_mean), log_sd=log_sd
    )
    world = world_of(x=[0.0] * 40_000)
    drawn, expected = equation.draw("spend", world), equation.expected(world)[0]
    assert abs(drawn.mean() - expected) < 4 * drawn.std() / np.sqrt(len(drawn))
    assert abs((drawn > 0).mean() - equation.chance_of(world)[0]) < 4 * 0.5 / np.sqrt(len(drawn))


@pytest.mark.parametrize(("share", "dogs"), [(0.0, 0), (0.5, 2), (1.0, 4)])
def test_the_irritated_are_the_upper_tail_of_a_standard_normal(share: float, dogs: int) -> None:
    irritation = Irritation(by="habit", share=share, strength=1.5)
    drawn = irritation.draw("irritation", world_of(habit=[-9.0, -1.0, 1.0, 9.0]))
    assert drawn.tolist() == [0.0] * (4 - dogs) + [1.5] * dogs
