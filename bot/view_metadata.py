"""The `private_metadata` of views, encoded and decoded. Slack sends it back with each click and submission.

It is versioned. That of views which are open must stay readable when the bot is updated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from bot.actions import HomeList, is_home_filter, page_number
from bot.operations.operation import OperationKind


@dataclass(frozen=True, slots=True)
class FormMetadata:
    """What a form of an operation keeps in `private_metadata`. Never an ID, a name or an address."""

    kind: OperationKind
    handle: str = ""  # of the account
    episode_id: str = ""  # of the alert
    suffix: str = ""  # of add: what the accounts have after `@`


def encode_form(form: FormMetadata) -> str:
    """Return the metadata of a form."""
    return _encoded(act=form.kind, seat=form.handle, ep=form.episode_id, suffix=form.suffix)


def encode_details(handle: str) -> str:
    """Return the metadata of the modal with the details of an account."""
    return _encoded(show=handle)


def encode_running(operation_id: str) -> str:
    """Return the metadata of a modal that waits for the outcome of an operation."""
    return _encoded(id=operation_id)


def decode_form(text: str) -> FormMetadata | None:
    """Return what a form keeps; None for text that is forged, or of another release."""
    try:
        stored = json.loads(text)
        if stored["v"] != 1:
            return None
        parts = [stored.get(name, "") for name in ("seat", "ep", "suffix")]
        kind = OperationKind(stored["act"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return FormMetadata(kind, *parts) if all(isinstance(part, str) for part in parts) else None


def with_appid(appid: str, metadata: str) -> str:
    """Return the metadata of a view of one of several Official Accounts; `metadata` may be empty."""
    known = json.loads(metadata) if metadata else {}
    return _encoded(**{**known, "in": appid})


def appid_of(metadata: str) -> str:
    """Return the AppID that the metadata of a view names; "" if it names none."""
    try:
        appid = json.loads(metadata)["in"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return appid if isinstance(appid, str) else ""


def encode_home(listed: HomeList) -> str:
    """Return the metadata of the board."""
    return _encoded(list=listed.filter, page=listed.page)


def decode_home(text: str) -> HomeList:
    """Return the page that a board shows; the default for text that is forged, or of another release."""
    try:
        stored = json.loads(text)
        if stored["v"] == 1 and is_home_filter(stored["list"]) and (page := page_number(str(stored["page"]))):
            return HomeList(stored["list"], page)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return HomeList()


def _encoded(**known: object) -> str:
    kept = {name: value for name, value in known.items() if value}
    return json.dumps({"v": 1, **kept}, ensure_ascii=False, separators=(",", ":"))
