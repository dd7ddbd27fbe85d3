"""Values by key, made when they are first needed. Those that were not used for longest are dropped."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class RecentlyUsed(Generic[T]):
    """At most so many values: one that was dropped is made again, so it holds nothing that must not be lost."""

    def __init__(self, make: Callable[[str], T], most: int) -> None:
        """Keep the maker of a value, and how many values to keep."""
        self._make = make
        self._most = most
        self._values: OrderedDict[str, T] = OrderedDict()  # least recently used first

    def __getitem__(self, key: str) -> T:
        """Return the value of a key, and make it if it is not there."""
        if key not in self._values:
            self._values[key] = self._make(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]

    def get(self, key: str) -> T | None:
        """Return the value of a key if it is there. This does not count as a use."""
        return self._values.get(key)

    def present(self) -> list[T]:
        """Return the values that are there."""
        return [*self._values.values()]
