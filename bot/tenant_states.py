"""The states of an Official Account, and the reading of one that is not polled."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from wechat_kf import KfError, KfList, OnlineKf


class TenantState(StrEnum):
    """Whether an account is watched. All but the first two are of accounts that authorise the platform."""

    ACTIVE = "active"
    PAUSED = "paused"  # its rows stay
    UNEXCHANGED = "unexchanged"  # authorised, but there is no refresh token
    UNGRANTED = "ungranted"  # no permission set that covers customer service
    DOUBTFUL = "doubtful"  # WeChat answered 61003, which it sometimes does by mistake
    REVOKED = "revoked"  # the owner has withdrawn the authorisation
    CLOSED = "closed"  # WeChat has closed, banned or frozen the account

    @property
    def is_polled(self) -> bool:
        return self in POLLED


POLLED = (TenantState.ACTIVE, TenantState.DOUBTFUL)
# The states of an authorisation, in the order of how much a person can do about them.
AUTHORISATION = (
    TenantState.UNEXCHANGED,
    TenantState.UNGRANTED,
    TenantState.DOUBTFUL,
    TenantState.CLOSED,
    TenantState.REVOKED,
)
# The states in which the owner must be sent a link.
NEEDS_LINK = (TenantState.UNEXCHANGED, TenantState.UNGRANTED)


class NotPolledError(KfError):
    """The account is in a state in which WeChat is not asked about it."""

    def __init__(self, state: TenantState) -> None:
        super().__init__(f"the account is {state}")
        self.state = state


class NotPolled:
    """The kf accounts of an Official Account that is not polled: every read fails with its state."""

    def __init__(self, state: TenantState) -> None:
        self._state = state

    async def kf_list(self, *, within: float = 0, attempts: int = 0) -> KfList:
        raise NotPolledError(self._state)

    async def online_kf_list(self, *, within: float = 0, attempts: int = 0) -> Sequence[OnlineKf]:
        raise NotPolledError(self._state)
