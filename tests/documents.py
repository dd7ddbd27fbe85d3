"""The documents as values: headings, links, code, tables. As much of Markdown as the tests need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\]\((?:<([^>]*)>|([^)\s]*))\)|\bsrc=\"([^\"]*)\"")
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.M)
CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Code:
    language: str  # "" when the fence names none
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """The text between a heading and the next one of any level."""

    level: int
    title: str
    text: str  # fences included

    @property
    def spans(self) -> list[str]:
        return [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", self.text))]

    @property
    def quotes(self) -> list[str]:
        """Return each block quote as one line."""
        found = re.findall(r"(?:^> .*\n?)+", self.text, re.M)
        return [" ".join(line.removeprefix("> ") for line in quote.splitlines()) for quote in found]

    @property
    def tables(self) -> list[list[list[str]]]:
        """Return cells by rows by tables; the first row is the head."""
        found = re.findall(r"(?:^\|.*\|\n)+", FENCE.sub("", self.text) + "\n", re.M)
        return [
            [row for row in map(_cells, table.splitlines()) if set("".join(row)) - set("- ")] for table in found
        ]


@dataclass(frozen=True, slots=True)
class Document:
    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def prose(self) -> str:
        return FENCE.sub("", self.text)

    @property
    def sections(self) -> list[Section]:
        """Return the sections in order, without the text before the first heading."""
        bare = FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), self.text)  # a comment is not a heading
        found = list(HEADING.finditer(bare))
        ends = [match.start() for match in found[1:]] + [len(self.text)]
        return [
            Section(len(match[1]), match[2].strip(), self.text[match.end() : end])
            for match, end in zip(found, ends, strict=True)
        ]

    def section(self, title: str) -> Section:
        return next(section for section in self.sections if section.title == title)

    @property
    def anchors(self) -> set[str]:
        """Return the anchors that GitHub derives from headings."""
        seen: dict[str, int] = {}
        found = set()
        for section in self.sections:
            slug = re.sub(r"[^\w\- ]", "", section.title.lower()).replace(" ", "-")
            number = seen.setdefault(slug, 0)
            seen[slug] += 1
            found.add(f"{slug}-{number}" if number else slug)
        return found

    @property
    def links(self) -> list[str]:
        return ["".join(groups) for groups in LINK.findall(SPAN.sub("", self.prose))]

    @property
    def code(self) -> list[Code]:
        return [
            Code(language, re.sub(f"^{indent}", "", text, flags=re.M))
            for indent, language, text in FENCE.findall(self.text)
        ]

    @property
    def commands(self) -> Iterator[str]:
        """Return every line that a shell would read: of its blocks, and inline code."""
        for block in self.code:
            if block.language in ("", "bash"):
                yield from block.text.replace("\\\n", " ").splitlines()
        yield from (" ".join(span.split()) for span in SPAN.findall(self.prose))


@cache
def documents() -> tuple[Document, ...]:
    folders = ("", "docs", "bench", "tests", "tests/crash", "tests/soak")
    paths = [path for folder in folders for path in sorted((ROOT / folder).glob("*.md"))]
    return tuple(map(document, paths))


def document(path: Path | str) -> Document:
    """Return the document at a path, or at one below the repository's top."""
    whole = ROOT / path
    return Document(whole, whole.read_text(encoding="utf-8"))


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in CELL.split(row.strip())[1:-1]]
