"""Values that are made when they are needed: the last ones used stay, the others are made again."""

from __future__ import annotations

from bot.runtime.recently_used import RecentlyUsed


def test_value_is_made_once_while_it_is_used():
    made: list[str] = []
    values = RecentlyUsed(lambda key: made.append(key) or key.upper(), most=2)
    assert values["a"] == values["a"] == "A"
    assert values["b"] == "B"
    assert values["a"] == "A"
    assert values["c"] == "C"  # takes the place of b, which was not used for longest
    assert values.present() == ["A", "C"]
    assert values["b"] == "B"
    assert made == ["a", "b", "c", "b"]


def test_look_at_a_value_makes_none_and_is_no_use():
    values = RecentlyUsed(str.upper, most=2)
    assert values.get("a") is None
    assert [values["a"], values["b"]] == ["A", "B"]
    assert values.get("a") == "A"
    assert values["c"] == "C"
    assert values.get("a") is None
