"""Figures with their bounds, and their Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench import machine

PACKAGES = ("slack-bolt", "slack-sdk", "aiohttp", "httpx", "sqlalchemy", "aiosqlite", "psycopg")


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. Without a bound it is for comparison."""

    what: str
    measured: str
    bound: str = ""
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """Figures of one kind, with their explanation."""

    title: str
    figures: tuple[Figure, ...]
    meaning: str  # Markdown

    @property
    def kept(self) -> bool:
        return all(figure.kept for figure in self.figures)


def table(figures: Iterable[Figure]) -> str:
    """Format as Markdown, with ✓ or ✗ beside each bound."""
    symbols = {True: "✓", False: "✗"}
    return "\n".join(
        [
            "| what | measured | bound | |",
            "| --- | --- | --- | --- |",
            *(
                f"| {one.what} | {one.measured} | {one.bound} | {symbols[one.kept] if one.bound else ''} |"
                for one in figures
            ),
        ]
    )


def page(sections: Sequence[Section]) -> str:
    """Format the table of all figures, then their explanations."""
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
