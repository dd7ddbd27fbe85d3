"""Access tokens that processes renew in turn: rows with a lease and a fence. The values are sealed.

The fence rises with each claim and with each completion. So a process that has read the row during a renewal cannot
claim the next one by what it read, and one whose lease has run out cannot store its token.

A transaction locks the row of the platform first, then that of a token, then secrets: another order could deadlock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.runtime.logs import LogEvent
from bot.sealing import DamagedSecretError, StoreKeys, UnknownKeyError
from bot.store import platform_rows, sealed_secrets
from bot.store.channels import CLOCK_TOLERANCE
from bot.store.database import Store, Tx, insert_new
from bot.store.sealed_secrets import REFRESH_TOKEN, TICKET, SealedSecret
from bot.store.tables import token as tokens
from wechat_kf.token_store import TokenKind, TokenRow

log = logging.getLogger(__name__)

# A later end than these was written by a wrong clock.
LONGEST = timedelta(hours=25)  # of a life, and of the wait for a quota
RIVAL_PAUSE = timedelta(minutes=6)  # between two renewals while another system makes them, too
LONGEST_WAIT = RIVAL_PAUSE + CLOCK_TOLERANCE  # for anything else than a quota
QUOTA_SPENT = 45009
NOTHING = timedelta(0)
ENDED = {"lease_until": None, "failures": 0, "next_try_at": None, "errcode": None}


@dataclass(frozen=True, slots=True)
class _KeptTicket:
    """A ticket that could not be stored when it came."""

    owner: str
    created_at: datetime
    sealed: str = field(repr=False)


class StoredTokens:
    """The tokens and secrets of a third-party platform: a `wechat_kf.token_store.TokenStore`.

    Errors of the store pass through. A value that no key opens counts as missing.
    """

    def __init__(self, store: Store, keys: StoreKeys) -> None:
        self._store = store
        self._keys = keys
        self._kept: _KeptTicket | None = None
        self._logged: set[str] = set()  # why values could not be opened

    async def get(self, owner: str, kind: TokenKind) -> TokenRow:
        """Return a token, with the state of its renewal by the store's clock."""
        async with self._store.begin() as tx:
            row = (await tx.run(sa.select(tokens).where(*_is(owner, kind)))).mappings().first()
            now = tx.now
        if row is None:
            return TokenRow()
        value = self._opened(owner, sealed_name(kind), row["value"])
        return TokenRow(
            value=value,
            left=_left(row["expires_at"], now, LONGEST) if value else NOTHING,
            life=timedelta(seconds=row["life"]) if value else NOTHING,
            is_leased=_left(row["lease_until"], now, CLOCK_TOLERANCE) > NOTHING,
            fence=row["fence"],
            wait=_left(row["next_try_at"], now, LONGEST if row["errcode"] == QUOTA_SPENT else LONGEST_WAIT),
            errcode=row["errcode"] or 0,
        )

    async def claim(self, owner: str, kind: TokenKind, fence: int, lease: timedelta) -> bool:
        """Claim a renewal for the time of a lease. Return False if it is another process's, or must wait."""
        async with self._store.begin() as tx:
            if fence == 0:
                await tx.run(insert_new(tx, tokens).values(owner=owner, kind=kind, fence=0, failures=0))
            is_free = _is_over(tokens.c.lease_until, tx.now, CLOCK_TOLERANCE)
            is_short = tokens.c.errcode.is_distinct_from(QUOTA_SPENT)
            may_try = sa.or_(
                _is_over(tokens.c.next_try_at, tx.now, LONGEST),
                sa.and_(is_short, tokens.c.next_try_at > tx.now + LONGEST_WAIT),
            )
            update = sa.update(tokens).where(*_is(owner, kind), tokens.c.fence == fence, is_free, may_try)
            claimed = await tx.run(update.values(fence=fence + 1, lease_until=tx.now + lease))
            return claimed.rowcount == 1

    async def put(
        self, owner: str, kind: TokenKind, fence: int, token: str, life: timedelta, *, refresh_token: str = ""
    ) -> bool:
        """Store a renewed token. Return False, and store nothing, if the claim was lost meanwhile.

        Args:
            fence: that of the claim, one more than was read.
            refresh_token: that of the account from now on; "" if it has not changed.
        """
        values: dict[str, Any] = {**ENDED, "fence": fence + 1}
        values["value"] = self._keys.seal(owner, sealed_name(kind), token)
        async with self._store.begin() as tx:
            values |= _ending(tx.now, life)
            if kind is TokenKind.COMPONENT and await platform_rows.has_rival(tx, owner):
                values["next_try_at"] = tx.now + RIVAL_PAUSE
            if not await _end_claim(tx, owner, kind, fence, values):
                return False
            if refresh_token:
                sealed = self._keys.seal(owner, REFRESH_TOKEN, refresh_token)
                await sealed_secrets.put(tx, SealedSecret(owner, REFRESH_TOKEN, sealed))
            return True

    async def fail(self, owner: str, kind: TokenKind, fence: int, wait: timedelta, errcode: int = 0) -> None:
        """End a claim whose renewal has failed. No process claims the next one before `wait` is over."""
        values = {"lease_until": None, "failures": tokens.c.failures + 1, "errcode": errcode or None}
        async with self._store.begin() as tx:
            await _end_claim(tx, owner, kind, fence, values | {"next_try_at": tx.now + wait})

    async def secret(self, owner: str, name: str) -> str:
        """Return a secret; "" without one. The ticket may be one that could not be stored when it came."""
        if name == TICKET:
            await self.store_ticket()
        async with self._store.begin() as tx:
            sealed = await sealed_secrets.load(tx, owner, name)
        return self._opened(owner, name, sealed)

    async def store_ticket(self) -> None:
        """Store the ticket that could not be stored when it came, if there is one."""
        if (kept := self._kept) is None:
            return
        async with self._store.begin() as tx:
            await platform_rows.take_ticket(tx, kept.owner, kept.created_at, kept.sealed)
        if self._kept is kept:  # no newer one has come meanwhile
            self._kept = None

    def keep_ticket(self, owner: str, created_at: datetime, sealed: str) -> None:
        """Keep a ticket in memory that cannot be stored now, for `store_ticket`."""
        if self._kept is None or self._kept.created_at < created_at:
            self._kept = _KeptTicket(owner, created_at, sealed)

    async def note_refused(self, owner: str, kind: TokenKind, token: str) -> None:
        """Record that WeChat has refused this token of the platform before its end, and that it was replaced."""
        async with self._store.begin() as tx:
            await platform_rows.note_refusal(tx, owner)
            if await platform_rows.has_rival(tx, owner):
                pause = sa.update(tokens).where(*_is(owner, kind)).values(next_try_at=tx.now + RIVAL_PAUSE)
                await tx.run(pause)

    def _opened(self, owner: str, name: str, sealed: str | None) -> str:
        if not sealed:
            return ""
        try:
            return self._keys.open(owner, name, sealed)
        except UnknownKeyError as exc:
            reason = f"STORE_KEYS lacks the key {exc.key_id}"
        except DamagedSecretError as exc:
            reason = str(exc)
        if reason not in self._logged:  # a missing key is that of many values
            self._logged.add(reason)
            log.error(LogEvent("sealed value cannot be opened", owner=owner, name=name, reason=reason))
        return ""


async def replace(tx: Tx, owner: str, kind: TokenKind, sealed: str, life: timedelta) -> None:
    """Store a token that comes without a claim, sealed under `sealed_name`. A claim that there is fails."""
    await tx.run(insert_new(tx, tokens).values(owner=owner, kind=kind, fence=0, failures=0))
    values = {**ENDED, "value": sealed, **_ending(tx.now, life), "fence": tokens.c.fence + 1}
    await tx.run(sa.update(tokens).where(*_is(owner, kind)).values(**values))


async def clear(tx: Tx, owner: str) -> None:
    """Delete the tokens of an owner. The rows stay, so that the claim of a process fails that renews one now."""
    values = {**ENDED, "value": None, "expires_at": None, "life": None, "fence": tokens.c.fence + 1}
    await tx.run(sa.update(tokens).where(tokens.c.owner == owner).values(**values))


def sealed_name(kind: TokenKind) -> str:
    """Return the name that a token is sealed under."""
    return f"{kind}_token"


def _ending(now: datetime, life: timedelta) -> dict[str, Any]:
    return {"expires_at": now + life, "life": int(life.total_seconds())}


async def _end_claim(tx: Tx, owner: str, kind: TokenKind, fence: int, values: dict[str, Any]) -> bool:
    update = sa.update(tokens).where(*_is(owner, kind), tokens.c.fence == fence).values(**values)
    return (await tx.run(update)).rowcount == 1


def _is(owner: str, kind: TokenKind) -> tuple[sa.ColumnElement[bool], ...]:
    return tokens.c.owner == owner, tokens.c.kind == kind


def _is_over(column: sa.Column[datetime], now: datetime, longest: timedelta) -> sa.ColumnElement[bool]:
    """Return the condition that nothing waits for a moment. See `_left`."""
    return sa.or_(column.is_(None), column <= now, column > now + longest)


def _left(moment: datetime | None, now: datetime, longest: timedelta) -> timedelta:
    """Return the time until a moment. There is none until one so far ahead that a wrong clock has written it."""
    return moment - now if moment and now < moment <= now + longest else NOTHING
