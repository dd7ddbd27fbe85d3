"""The sentences of the page: each has its Chinese, and no Chinese is left without its sentence."""

from __future__ import annotations

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path

from bot.demo.playground import presets, suggestions
from bot.demo.playground.site_server import PAGE
from bot.requests import parse_command

LITERAL = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*')"""
SAID = re.compile(rf"\bsay(?:WithCode)?\(\s*({LITERAL})")
COUNTED = re.compile(rf"\bcount(?:ed)?\(\s*{LITERAL},\s*({LITERAL})")
WITH_CONTEXT = re.compile(r'\bterm\("(\w+)", "([^"]+)"\)')
ENTRY = re.compile(r'^  ("(?:[^"\\]|\\.)*"):\s*("(?:[^"\\]|\\.)*"),$', re.MULTILINE)
PLACE = re.compile(r"\{([a-z_]+)\}")
HAN = r"[\u3400-\u9fff]"
CALLS = {"CannotError", "Restart"}  # whose first argument is a sentence


class Marked(HTMLParser):
    """Collects the marked sentences of the HTML, and its texts that are not marked."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()
        self.unmarked: set[str] = set()
        self._open: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in ("meta", "link"):
            self._open.append((tag, given))
        if label := given.get("aria-label"):
            (self.said if given.get("data-say") == "aria-label" else self.unmarked).add(label)

    def handle_endtag(self, tag: str) -> None:
        while self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        text = data.strip()
        if not text or any(tag == "noscript" for tag, _ in self._open):
            return
        tag, given = self._open[-1]
        marked = given.get("data-say", "no") in ("", None) or tag == "title"
        (self.said if marked else self.unmarked).add(text)


def page() -> Marked:
    marked = Marked()
    marked.feed((PAGE / "index.html").read_text(encoding="utf-8"))
    return marked


def chinese() -> dict[str, str]:
    text = (PAGE / "words.js").read_text(encoding="utf-8")
    entries = [(json.loads(key), json.loads(value)) for key, value in ENTRY.findall(text)]
    assert len(entries) == len(dict(entries)) == len(re.findall(r'^  "', text, re.MULTILINE))
    return dict(entries)


def used() -> set[str]:
    """Return all sentences that the page says, or the server on its behalf."""
    sentences = page().said | {one.label for one in presets.PRESETS.values()}
    for offered in [*suggestions.usage()[1], *suggestions.ABOUT_ALL]:
        sentences |= {offered["hint"], offered["argument"]} - {""}
    for file in PAGE.glob("*.js"):
        if file.name == "words.js":
            continue
        source = file.read_text(encoding="utf-8")
        sentences |= {ast.literal_eval(one) for one in [*SAID.findall(source), *COUNTED.findall(source)]}
        sentences |= {"|".join(one) for one in WITH_CONTEXT.findall(source)}
    for file in Path(presets.__file__).parent.glob("*.py"):
        sentences |= sentences_of(ast.parse(file.read_text(encoding="utf-8")))
    return sentences


def sentences_of(source: ast.AST) -> set[str]:
    """Return the sentences that a module of the server sends to the page."""
    calls = [
        node for node in ast.walk(source) if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CALLS
    ]
    firsts = [call.args[0] for call in calls if call.args]
    assert all(isinstance(first, ast.Constant) for first in firsts)
    return {first.value for first in firsts if isinstance(first, ast.Constant)}


def test_every_sentence_of_the_page_has_its_chinese_and_none_is_left_over():
    assert sorted(used() - set(chinese())) == []
    assert sorted(set(chinese()) - used()) == []


def test_chinese_has_the_places_of_its_sentence():
    assert [key for key, value in chinese().items() if set(PLACE.findall(key)) != set(PLACE.findall(value))] == []


def test_no_half_width_mark_stands_beside_a_chinese_character():
    beside = re.compile(rf"{HAN}[,:;?!()]|[,:;?!()]{HAN}")
    assert [value for value in chinese().values() if beside.search(value)] == []


def test_chinese_has_one_blank_beside_latin_letters_and_places_and_none_beside_its_own_marks():
    beside = re.compile(rf"{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}|[，。：；？（）“”、] | [，。：；？（）“”、]|  ")
    assert [value for value in chinese().values() if beside.search(value)] == []


def test_html_has_no_text_without_a_translation():
    assert page().unmarked == {"Slack"}


def test_every_suggestion_has_its_chinese():
    offered = suggestions.usage()[1]
    assert {one["text"] for one in offered if one["chinese"] == one["text"]} == {"/kf"}


def test_chinese_suggestion_asks_for_the_same_as_the_english_one():
    for one in suggestions.usage()[1]:
        english, chinese = (parse_command(one[name].removeprefix("/kf") + "小波") for name in ("text", "chinese"))
        if one["argument"]:
            assert chinese == english, one
        else:
            assert parse_command(one["chinese"].removeprefix("/kf")) == parse_command(
                one["text"].removeprefix("/kf")
            )
