"""A test with many values meets each of them, and a failure names its value."""

from __future__ import annotations

import inspect

import pytest

from tests.for_each import for_each


def test_each_combination_of_values_is_met():
    met = []

    @for_each("letter, number", [("a", 1), ("b", 2)])
    @for_each("flag", [True, False])
    def check(letter: str, number: int, flag: bool, fixture: str) -> None:
        met.append((letter, number, flag, fixture))

    assert [*inspect.signature(check).parameters] == ["fixture"]
    check(fixture="f")
    assert met == [("a", 1, True, "f"), ("a", 1, False, "f"), ("b", 2, True, "f"), ("b", 2, False, "f")]


def test_failure_names_its_value():
    @for_each("number", [1, 2, 3])
    def check(number: int) -> None:
        assert number != 2

    with pytest.raises(AssertionError) as caught:
        check()
    assert caught.value.__notes__ == ["with number=2"]


async def test_coroutine_is_awaited_with_each_value():
    met = []

    @for_each("number", [1, 2, 3])
    async def check(number: int) -> None:
        met.append(number)

    await check()
    assert met == [1, 2, 3]


def test_no_value_is_a_mistake():
    with pytest.raises(AssertionError, match="no value"):
        for_each("number", [])
