"""A figure, its bound, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench import machine

PACKAGES = ("slack-bolt", "slack-sdk", "aiohttp", "httpx", "sqlalchemy", "aiosqlite", "psycopg")


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. Without a bound it is there to be compared with."""

    what: str
    measured: str
    bound: str = ""
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """Figures of one kind, what they mean for a user, and what was tried to better them."""

    title: str
    figures: tuple[Figure, ...]
    meaning: str  # Markdown

    @property
    def kept(self) -> bool:
        return all(figure.kept for figure in self.figures)


def table(figures: Iterable[Figure]) -> str:
    """As Markdown, ✓ or ✗ beside each bound."""
    marks = {True: "✓", False: "✗"}
    return "\n".join(
        [
            "| what | measured | bound | |",
            "| --- | --- | --- | --- |",
            *(
                f"| {one.what} | {one.measured} | {one.bound} | {marks[one.kept] if one.bound else ''} |"
                for one in figures
            ),
        ]
    )


def page(sections: Sequence[Section]) -> str:
    """The table of all, then what they mean."""
    return "\n".join(
        [
            "# Figures",
            "",
            machine.measured("make bench", *PACKAGES),
            "",
            table(figure for section in sections for figure in section.figures),
            *(f"\n## {section.title}\n\n{section.meaning.strip()}" for section in sections),
            "",
        ]
    )
