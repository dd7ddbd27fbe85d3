"""The kinds of account, and the calls that WeChat grants them."""

from __future__ import annotations

from enum import Enum

from wechat_kf.writes import UPDATE


class AccountType(Enum):
    """A kind of account. WeChat answers 48001 to the calls that it does not grant."""

    VERIFIED = "a subscription or service account, verified as an enterprise"
    UNVERIFIED = "a subscription or service account, not verified"
    MINI_PROGRAM = "a Mini Program or Mini Game"

    def may_call(self, path: str) -> bool:
        """Return whether a kf call is granted: all to verified accounts, all but update to Mini Programs."""
        return self is AccountType.VERIFIED or (self is AccountType.MINI_PROGRAM and path != UPDATE)
