"""The languages of the texts in Slack, and their catalogues of sentences.

English sentences are written in the code, where they are used, and are the keys of the catalogue. `make words`
collects them, and compiles `bot/locale`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

CATALOGUES = {"zh": Path(__file__).parent / "locale" / "zh_Hans" / "LC_MESSAGES" / "kf.mo"}


class Language(StrEnum):
    """A language that messages are written in; the value is that of the setting KF_LANGUAGE."""

    ENGLISH = "en"
    CHINESE = "zh"


@cache
def catalogue(language: Language) -> NullTranslations:
    """Read the sentences of a language; a sentence that is missing stays English.

    The file is opened by its path: `gettext.find` would follow the variable LANGUAGE, which many systems set.
    """
    if language not in CATALOGUES:
        return NullTranslations()
    with CATALOGUES[language].open("rb") as compiled:
        return GNUTranslations(compiled)


def gettext_noop(text: str) -> str:
    """Return the text. `make words` collects it: a sentence of a table, which is translated where it is used."""
    return text


def pgettext_noop(context: str, text: str) -> str:
    """Return the text, as `gettext_noop` does; `context` tells apart equal words with different translations."""
    return text
