"""The answer `{"ok": false}`, on its way from wherever a rule was broken."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818 - Slack's refusal is an answer, not a fault of this program
    """`error` is Slack's code; `fields` go into the answer beside it.

    `note` says what the caller should never have done. A refusal that follows from a state which
    a test set up (an archived channel, a missing scope) has none.
    """

    def __init__(self, error: str, *, note: str | None = None, **fields: Any) -> None:
        super().__init__(error)
        self.error = error
        self.note = note
        self.fields = fields
