"""Reads the settings one by one, and remembers what was wrong with them, to tell it all in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


class SettingsError(Exception):
    """What is missing or malformed, all of it, in words for whoever deploys. Quotes no secret."""


class Reader:
    """The variables of one environment. `raise_if_wrong` comes last: until then a value may be a stand-in."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._missing: list[str] = []
        self._malformed: list[str] = []

    def read(self, name: str, default: T | None, parse: Callable[[str], T]) -> T:
        """The parsed value; `default` when unset or blank; a required one has the default None."""
        if default is None and not self.is_set(name):
            self._missing.append(name)
        value = self.optional(name, parse)
        return default if value is None else value  # type: ignore[return-value]  # lives until raise_if_wrong

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The parsed value, or None when unset or blank."""
        if self.is_set(name):
            try:
                return parse(self._environ[name].strip())
            except ValueError as exc:
                self.refuse(name, str(exc))
        return None

    def refuse(self, name: str, why: str) -> None:
        """Note what is wrong with a variable, in words that follow its name."""
        self._malformed.append(f"{name} {why}")

    def is_set(self, name: str) -> bool:
        """Whether it is there and not blank. It may be malformed."""
        return bool(self._environ.get(name, "").strip())

    def raise_if_wrong(self) -> None:
        lines = [f"not set: {name}" for name in self._missing] + self._malformed
        if lines:
            raise SettingsError("The settings are not complete.\n" + "\n".join(f"  {line}" for line in lines))
