"""The catalogue of Chinese sentences: complete, current, and written by its rules."""

from __future__ import annotations

import ast
import io
import re
import string
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from bot.blocks import english_data
from bot.hosting import FIXED_ADDRESS
from bot.language import CATALOGUES
from bot.slack import error_codes
from wechat_kf.advice import ADVICE

ROOT = Path(__file__).parent.parent
COMPILED = CATALOGUES["zh"]
KEYWORDS = {
    "say": None,
    "gettext_noop": None,
    "count": (1, 2),
    "term": ((1, "c"), 2),
    "pgettext_noop": ((1, "c"), 2),
}
CHINESE = r"[\u4e00-\u9fff]"
HALF_WIDTH = re.compile(rf"{CHINESE}[,:;?!()]|[,:;?!()]{CHINESE}")
# Written without a blank between: Chinese, and Latin letters or digits.
NO_BLANK = re.compile(rf"{CHINESE}[A-Za-z0-9`]|[A-Za-z0-9`]{CHINESE}")


def catalogue() -> Catalog:
    with COMPILED.with_suffix(".po").open("rb") as file:
        return read_po(file, locale="zh_Hans")


ENTRIES = [entry for entry in catalogue() if entry.id]


def key(entry: Message) -> tuple[str | None, str]:
    return entry.context, english(entry)[0]


def english(entry: Message) -> tuple[str, ...]:
    return entry.id if isinstance(entry.id, tuple) else (entry.id,)


def chinese(entry: Message) -> str:
    return entry.string[0] if isinstance(entry.string, tuple | list) else entry.string


def in_code() -> dict[tuple[str | None, str], set[str]]:
    """Return the sentences of the code with the modules that have them."""
    found: dict[tuple[str | None, str], set[str]] = {}
    for path, _, ids, _, context in extract_from_dir(str(ROOT / "bot"), keywords=KEYWORDS):
        first = ids[0] if isinstance(ids, tuple) else ids
        found.setdefault((context, first), set()).add(path)
    return found


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_every_sentence_of_the_code_has_its_chinese():
    known = {key(entry) for entry in ENTRIES if chinese(entry) and not entry.fuzzy}
    missing = {sentence: sorted(modules) for sentence, modules in in_code().items() if sentence not in known}
    assert missing == {}, "run `make words`, then write their Chinese into kf.po"


def test_catalogue_has_no_sentence_that_the_code_does_not_say():
    assert {key(entry) for entry in ENTRIES} - in_code().keys() == set()
    assert catalogue().obsolete == {}


def test_compiled_catalogue_is_current():
    compiled = io.BytesIO()
    write_mo(compiled, catalogue())
    assert compiled.getvalue() == COMPILED.read_bytes(), "run `make words`"


def test_chinese_has_the_places_of_the_english_sentence():
    for entry in ENTRIES:
        wanted = set.union(*map(places, english(entry)))
        # A list that is cut ends with the number of the others in English, and with the total in Chinese.
        assert places(chinese(entry)) in (wanted, wanted - {"number"} | {"total"}), entry.id


def test_chinese_has_full_width_marks_and_blanks_around_latin_words():
    for entry in ENTRIES:
        text = re.sub(r"\{\w+\}", "", chinese(entry))
        assert not HALF_WIDTH.search(text), text
        assert not NO_BLANK.search(text), text
        assert not re.search(r"您|帐号|登陆|[！《》【】]|哦|亲", text), text


def test_translated_text_begins_and_ends_with_itself():
    for entry in ENTRIES:
        for text in (*english(entry), chinese(entry)):
            assert text == text.strip(), text
            assert not re.match(r"[,;:.，；：。、]", text), text
            assert not re.search(r"[,;，；、]$", text), text


def test_english_data_of_other_modules_is_listed_for_translation():
    assert set(english_data.ADVICE) == {advice.text for advice in ADVICE.values()}
    codes = [*error_codes.CODES.values(), *error_codes._FAMILIES.values(), error_codes.UNLISTED]
    said = {text for code in codes for text in (code.because, code.remedy) if text}
    assert set(english_data.SLACK_ERRORS) == said
    assert english_data.UNREADABLE == error_codes.NO_JSON
    assert set(english_data.FIXED_ADDRESSES) == set(FIXED_ADDRESS.values())


SAYING = {"say", "count", "term"}


def said(node: ast.AST) -> bool:
    """Return whether a node is a call of a translating method."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in SAYING


def sentences(function: ast.AST) -> set[str]:
    """Return the local names that hold translated texts."""
    named = [node for node in ast.walk(function) if isinstance(node, ast.Assign) and said(node.value)]
    return {target.id for node in named for target in node.targets if isinstance(target, ast.Name)}


def joined(function: ast.AST) -> Iterator[int]:
    """Yield the lines of a function that join a translated text with other words or marks."""
    names = sentences(function)

    def is_text(node: ast.AST) -> bool:
        return said(node) or (isinstance(node, ast.Name) and node.id in names)

    for node in ast.walk(function):
        match node:
            case ast.BinOp(left, ast.Add(), right) if is_text(left) or is_text(right):
                yield node.lineno
            case ast.JoinedStr(values):
                words = "".join(str(part.value) for part in values if isinstance(part, ast.Constant))
                filled = [part.value for part in values if isinstance(part, ast.FormattedValue)]
                if any(map(is_text, filled)) and re.search(r"[A-Za-z\u4e00-\u9fff.,;:]", words):
                    yield node.lineno
            case ast.Call(ast.Attribute(ast.Constant(str(mark)), "join")) if re.search("[,;:.、，；]", mark):
                yield node.lineno


def test_no_translated_text_is_joined_with_another_into_one_sentence():
    """Icons and marks may stand around a text, but no words, and no mark that ends or continues a sentence."""
    found = [
        f"{path.name}, line {line}"
        for path in (ROOT / "bot" / "blocks").rglob("*.py")
        if path.name != "context.py"  # whose lists have the marks of each language
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for line in joined(node)
    ]
    assert found == []


def test_no_sentence_begins_in_its_middle():
    """A conjunction at the beginning would continue a sentence of another entry."""
    begun = {text for entry in ENTRIES for text in english(entry) if re.match("(so|and|then|but|or|which) ", text)}
    assert begun == {"and {number} more"}  # the last line of a list
