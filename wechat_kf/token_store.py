"""The rows in which processes share access tokens, as a port: their values, and when they are renewed. No rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """When a token is renewed, and how long processes wait for each other."""

    margin: timedelta = timedelta(minutes=10)  # of the platform's token: with less left it is renewed
    least_margin: timedelta = timedelta(minutes=5)  # of an account's: between these two, fixed for each account, so
    most_margin: timedelta = timedelta(minutes=15)  # that accounts added together are not renewed together
    lease: timedelta = timedelta(seconds=15)  # of a renewal
    copy_life: timedelta = timedelta(seconds=60)  # in memory; an old token of the platform works for 5 minutes
    longest_wait: timedelta = timedelta(seconds=5)  # for another process that renews an expired token
    pause: timedelta = timedelta(milliseconds=200)  # between two reads of the row meanwhile
    retry: timedelta = timedelta(seconds=60)  # after WeChat has refused the platform a token
    no_ticket: timedelta = timedelta(seconds=10)  # after the platform had no ticket to get a token with


class TokenKind(StrEnum):
    """Of the platform itself, or of an account that authorises it."""

    COMPONENT = "component"
    AUTHORIZER = "authorizer"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as it is stored. Spans count from now, by the store's clock."""

    value: str = field(default="", repr=False)  # "" if there is none
    left: timedelta = NO_TIME  # of its life
    life: timedelta = NO_TIME  # in all
    is_leased: bool = False  # a process renews it
    fence: int = 0
    wait: timedelta = NO_TIME  # no renewal before that
    errcode: int = 0  # of the refusal that makes renewals wait


class TokenStore(Protocol):
    """The rows of tokens, and the secrets that renew them. What its methods raise passes through the sources."""

    async def get(self, owner: str, kind: TokenKind) -> TokenRow:
        """Return the row; the empty one if there is none."""
        ...

    async def claim(self, owner: str, kind: TokenKind, fence: int, lease: timedelta) -> bool:
        """Take the lease, and raise the fence by 1, if the fence is still this one and no lease or wait is left."""
        ...

    async def put(
        self, owner: str, kind: TokenKind, fence: int, token: str, life: timedelta, *, refresh_token: str = ""
    ) -> bool:
        """Store a token, end the lease and raise the fence by 1, if the fence is still that of the claim.

        A refresh token, if there is one, is stored in the same transaction.
        """
        ...

    async def fail(self, owner: str, kind: TokenKind, fence: int, wait: timedelta, errcode: int = 0) -> None:
        """End the lease, if the fence is still that of the claim. No process renews before the wait is over."""
        ...

    async def secret(self, owner: str, name: str) -> str:
        """Return "ticket" of a platform or "refresh_token" of an account; "" without one."""
        ...

    async def note_refused(self, owner: str, kind: TokenKind, token: str) -> None:
        """Record that WeChat refused this token of the platform before its end, and that it was replaced."""
        ...
