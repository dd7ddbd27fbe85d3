"""The wording of docstrings, comments and documents: no words that have a plainer one."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "wechat_kf", "bench", "tests")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md")

# A word, as a pattern, and what to write.
PLAINER = {
    "anew": "again",
    "lest": "so that ... not",
    "mend|mends|mended|mending": "fix, repair, remedy",
    "whoever": "the person who, the caller",
    "for ever": "permanently, without limit",
    "in vain": "without success",
    "all the same": "anyway",
    "(?<!there )(?-i:is none|are none)": "is not a, without",
    "becomes? of|became of|come of it": "the outcome of",
    "in hands?|in (?:\\w+ )?hands": "acknowledged, current",
    "of ours": "our",
    "told": "posted, reported, emitted, recorded",
    "nobody": "no user, no caller, no process",
    "somebody": "a user, a caller, a process",
    "everybody": "all users, all callers",
    "errands?": "request",
}
WORDS = re.compile("|".join(rf"\b(?:{pattern})\b" for pattern in PLAINER), re.IGNORECASE)

# Texts for people in Slack and stored values, which a comment may quote without marks.
ALLOWED: tuple[str, ...] = ()

SCRIPT_COMMENT = re.compile(r"(?<![:\"'`])//[^\n]*|/\*.*?\*/", re.S)  # not the // of an address
QUOTED = re.compile(r"``.+?``|`[^`\n]+`|\"[^\"\n]+\"|“[^”]+”")


def _parts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments and docstrings of a module, with the lines on which they begin."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            match node.body[0]:
                case ast.Expr(value=ast.Constant(value=str(text), lineno=line)):
                    yield line, text


def _script_comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a script of the page, with the lines on which they begin."""
    for comment in SCRIPT_COMMENT.finditer(source):
        yield source.count("\n", 0, comment.start()) + 1, comment[0]


def _prose(document: str) -> str:
    """Blank code blocks and block quotes, which quote the bot, and keep the line numbers."""
    kept, fenced = [], False
    for line in document.split("\n"):
        fence = line.lstrip().startswith("```")
        kept.append("" if fence or fenced or line.lstrip().startswith(">") else line)
        fenced ^= fence
    return "\n".join(kept)


def complaints(text: str, first: int, where: object) -> list[str]:
    """Return each word with a plainer one, by its place; quotations do not count."""
    text = QUOTED.sub(lambda quoted: re.sub(r"[^\n]", " ", quoted[0]), text)
    for allowed in ALLOWED:
        text = text.replace(allowed, " " * len(allowed))
    return [
        f"{where}:{first + text.count(chr(10), 0, found.start())}: {found[0]!r}, better: {_plainer(found[0])}"
        for found in WORDS.finditer(text)
    ]


def _plainer(word: str) -> str:
    return next(better for pattern, better in PLAINER.items() if re.fullmatch(pattern, word, re.IGNORECASE))


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_and_comments_use_plain_words(package):
    found = [
        complaint
        for path in sorted((ROOT / package).rglob("*.py"))
        if WORDS.search(source := path.read_text())  # most files have none of them, and are not parsed
        for line, text in _parts(source)
        for complaint in complaints(text, line, path.relative_to(ROOT))
    ]
    assert not found, "\n" + "\n".join(found)


def test_names_of_tests_use_plain_words_and_begin_with_their_subject():
    names = [
        (path.relative_to(ROOT), name.replace("_", " "))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"^(?:async )?def test_(\w+)", path.read_text(), re.M)
    ]
    assert len(names) > 1000
    assert [complaint for path, name in names for complaint in complaints(name, 1, path)] == []
    assert [name for _, name in names if re.match(r"(?:an?|the|what|who|whoever) ", name)] == []


def test_comments_in_scripts_of_the_page_use_plain_words():
    scripts = sorted((ROOT / "bot").rglob("*.js"))
    found = [
        complaint
        for path in scripts
        for line, text in _script_comments(path.read_text())
        for complaint in complaints(text, line, path.relative_to(ROOT))
    ]
    assert scripts
    assert not found, "\n" + "\n".join(found)


def test_documents_use_plain_words():
    found = [
        complaint
        for pattern in DOCUMENTS
        for path in sorted(ROOT.glob(pattern))
        for complaint in complaints(_prose(path.read_text()), 1, path.relative_to(ROOT))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Post what nobody\nwas told.", ["x:7: 'nobody'", "x:8: 'told'"]),
        ("An untold story: toldness, mendacity, the latest.", []),
        ('The button shows "Nobody", the value is `told`.', []),
        ("Return None if there is none, or if x is None.", []),
        ("Anew it is acknowledged, in\nhand.", ["x:7: 'Anew'"]),
    ],
)
def test_words_are_found_outside_quotations(text, words):
    assert [complaint.partition(", better")[0] for complaint in complaints(text, 7, "x")] == words


def test_quotations_and_code_of_documents_are_not_prose():
    assert _prose("a\n```\ntold\n```\n> told\nb") == "a\n\n\n\n\nb"
