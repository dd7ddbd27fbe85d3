"""A TOML text with the lines of its tables. `tomllib` gives no positions, so the text is searched for headers."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

from bot.settings.reader import InvalidSetting

AT_LINE = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")
QUOTING_KEYS = ("Cannot declare", "Cannot mutate", "Cannot overwrite", "Duplicate")  # messages with foreign text
LINES = 'A line is a header such as [[account]], or key = "text".'


@dataclass(frozen=True, slots=True)
class TomlText:
    """A text, and what errors call it."""

    text: str
    source: str

    def load(self) -> dict[str, Any]:
        """Parse the text.

        Raises:
            MalformedToml: with the problem. It quotes no text but single characters.
        """
        try:
            return tomllib.loads(self.text.removeprefix("\ufeff"))
        except RecursionError:
            raise MalformedToml(InvalidSetting(self.source, "has values that are nested too deeply")) from None
        except tomllib.TOMLDecodeError as exc:
            raise MalformedToml(self._syntax_error(str(exc))) from None
        except ValueError:  # of `int`
            raise MalformedToml(InvalidSetting(self.source, "has a number with too many digits")) from None

    def place(self, key: str) -> str:
        """Return the source with the first line that has a key, or is the header of its table."""
        line = next(iter(self._lines_with(rf"(?:\[[ \t]*){{0,2}}[\"']?{re.escape(key)}(?![\w-])")), None)
        return f"{self.source}, line {line}" if line else self.source

    def places(self, key: str, number: int) -> list[str]:
        """Return the source with the line of each header `[[key]]`.

        Tables can be written without headers; then there is their number in place of a line.
        """
        lines = self._lines_with(rf"\[\[[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*\]\]")
        if len(lines) != number:
            return [f"{self.source}, {key} {one}" for one in range(1, number + 1)]
        return [f"{self.source}, line {line}" for line in lines]

    def _lines_with(self, beginning: str) -> list[int]:
        pattern = re.compile(rf"\ufeff?[ \t]*{beginning}")
        return [number for number, line in enumerate(self.text.split("\n"), start=1) if pattern.match(line)]

    def _syntax_error(self, message: str) -> InvalidSetting:
        match = AT_LINE.search(message)
        line = (match and match[1]) or self.text.count("\n") + 1
        why = "a key or a table is there twice" if message.startswith(QUOTING_KEYS) else AT_LINE.sub("", message)
        return InvalidSetting(f"{self.source}, line {line}", f"is not valid TOML: {why}", LINES)


class MalformedToml(Exception):  # noqa: N818  the problem is the argument
    """A text is not TOML."""

    def __init__(self, problem: InvalidSetting) -> None:
        super().__init__(str(problem))
        self.problem = problem
