"""Read variables one by one, and collect their errors, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
QUOTES = "\"'`"
IN_QUOTES = "Remove the quotes: Docker's --env-file takes them for part of the value."


@dataclass(frozen=True, slots=True)
class InvalidSetting:
    """The error in one variable, worded for an operator. It quotes no secret."""

    name: str
    why: str = ""  # follows the name; "" when it is not set
    remedy: str = ""  # a sentence; "" where `why` is enough

    def __str__(self) -> str:
        if not self.why:
            return f"not set: {self.name}"
        return f"{self.name} {self.why}. {self.remedy}" if self.remedy else f"{self.name} {self.why}"


class SettingsError(Exception):
    """All missing and malformed variables."""

    def __init__(self, problems: Sequence[InvalidSetting]) -> None:
        super().__init__("\n  ".join(["The settings are not complete.", *map(str, problems)]))
        self.problems = tuple(problems)


class VariableReader:
    """The variables of one environment. One named in `problems` is read as its default, a placeholder."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._missing: list[InvalidSetting] = []
        self._malformed: list[InvalidSetting] = []

    def read(self, name: str, default: T, parse: Callable[[str], T], *, required: bool = False) -> T:
        """Return the parsed value, or `default` if it is unset, blank or malformed."""
        if required and not self.is_set(name):
            self._missing.append(InvalidSetting(name))
        value = self.optional(name, parse)
        return default if value is None else value

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Return the parsed value, or None if it is unset, blank or malformed."""
        if self.is_set(name):
            text = self._environ[name].strip()
            # Quotes would be part of the value: a secret in quotes would never match.
            if text[0] == text[-1] and text[0] in QUOTES:
                self.refuse(name, "is in quotes", IN_QUOTES)
                return None
            try:
                return parse(text)
            except ValueError as exc:
                self.refuse(name, *map(str, exc.args[:2]))
        return None

    def refuse(self, name: str, why: str, remedy: str = "") -> None:
        """Add a problem with a variable, in words that follow its name."""
        self._malformed.append(InvalidSetting(name, why, remedy))

    def is_set(self, name: str) -> bool:
        """Return whether a variable is set and not blank. It may be malformed."""
        return bool(self._environ.get(name, "").strip())

    def first_set(self, names: Iterable[str]) -> str | None:
        """Return the first name that is set and not blank. `X_*` matches every name that begins with `X_`."""
        for name in names:
            found = [one for one in self._environ if one.startswith(name[:-1])] if name.endswith("*") else [name]
            if any(map(self.is_set, found)):
                return name
        return None

    @property
    def problems(self) -> tuple[InvalidSetting, ...]:
        """Return the problems so far, missing variables first."""
        return (*self._missing, *self._malformed)
