"""Accounts for tests, where only what matters is spelled out."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.conftest import NOW
from wechat_kf import Invitation, KfAccount


def account(name: str = "bo", **fields: object) -> KfAccount:
    values: dict[str, object] = {
        "kf_account": f"{name}@harbour_tea",
        "kf_nick": name.capitalize(),
        "kf_id": "2001",
    }
    return KfAccount(**values | fields)  # type: ignore[arg-type]


def invited(
    name: str = "bo",
    *,
    wx: str = "bo_example",
    status: str = "waiting",
    expires_in: timedelta | None = timedelta(days=3),
    at: datetime = NOW,
    **fields: object,
) -> KfAccount:
    """Return an account with an invitation whose deadline is `expires_in` after `at`."""
    deadline = at + expires_in if expires_in is not None else None
    return account(name, invitation=Invitation(invite_wx=wx, status=status, expires_at=deadline), **fields)


def bound(name: str = "bo", wx: str = "bo_example") -> KfAccount:
    return account(name, kf_wx=wx)
