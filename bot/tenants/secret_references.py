"""References to secrets: the file of accounts names the variable or the file that holds a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bot.settings import parsers

FORMS = '"env:NAME", with a variable in capitals, or "file:/PATH"'
# In capitals and with a slash: an AppSecret in place of the name is refused, and no error quotes it.
REFERENCE = re.compile(r"(?P<variable>env:(?P<name>[A-Z_][A-Z0-9_]*))|file:(?P<path>/.+)")


def parse(text: str) -> str:
    """Return a reference unchanged.

    Raises:
        ValueError: it is not a reference. The text is not quoted: it may be a secret.
    """
    if not text.isprintable() or not REFERENCE.fullmatch(text):
        raise ValueError(f"must be {FORMS}; the secret itself must not be here")
    return text


def resolve(reference: str, environ: Mapping[str, str], read_file: Callable[[str], str]) -> str:
    """Return the secret of a parsed reference.

    Raises:
        ValueError: it is missing, cannot be read or cannot be a secret, in words that follow the key.
    """
    match = REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError(f"must be {FORMS}")
    source = f"the variable {match['name']}" if match["variable"] else f"the file {match['path']}"
    secret = _read(match, source, environ, read_file).strip()
    if not secret:
        raise ValueError(f"refers to {source}, which is {'not set' if match['variable'] else 'empty'}")
    try:
        return parsers.word(secret)
    except ValueError as exc:
        raise ValueError(f"refers to {source}, whose text {exc}") from None


def _read(match: re.Match[str], source: str, environ: Mapping[str, str], read_file: Callable[[str], str]) -> str:
    if match["variable"]:
        return environ.get(match["name"], "")
    try:
        return read_file(match["path"])
    except OSError as exc:
        why = exc.strerror or type(exc).__name__
        raise ValueError(f"refers to {source}, which cannot be read: {why}") from None
    except ValueError:
        raise ValueError(f"refers to {source}, which is not UTF-8 text") from None
