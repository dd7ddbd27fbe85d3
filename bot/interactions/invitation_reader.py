"""Read invitations in the store, for answers about WeChat. Nothing raises: those do not need the store."""

from __future__ import annotations

from collections.abc import Sequence

from bot.alerting.episode import Episode, EpisodeState
from bot.runtime.tasks import with_timeout
from bot.store import episodes
from bot.store.database import Store
from bot.store.sanitizing import sanitize_account
from bot.store.store_errors import StoreError
from wechat_kf import KfAccount

STORE_SECONDS = 2  # an unreachable store must not delay an answer
OVER = (EpisodeState.CANCELLED, EpisodeState.REMOVED, EpisodeState.REPLACED)


class InvitationReader:
    """Reads invitations, and what users have done about them. Without a store nothing is known."""

    def __init__(self, store: Store | None) -> None:
        self._store = store

    async def newest(self, account: KfAccount) -> Episode | None:
        """Return the episode of the invitation that the account has now; None if it is unknown."""
        if self._store is None:
            return None
        try:
            found = await with_timeout(_newest(self._store, sanitize_account(account).key), STORE_SECONDS)
        except (*StoreError, TimeoutError):
            return None
        return None if found is None or found.state in OVER else found

    async def owned(self) -> Sequence[Episode]:
        """Return the invitations that a user acknowledged or snoozed; none if the store does not answer in time."""
        if self._store is None:
            return ()
        try:
            return await with_timeout(_owned(self._store), STORE_SECONDS)
        except (*StoreError, TimeoutError):
            return ()


async def _newest(store: Store, account_key: str) -> Episode | None:
    async with store.begin() as tx:
        found = await episodes.latest(tx, [account_key])
        return next((one for one in found if one.account_key == account_key), None)


async def _owned(store: Store) -> Sequence[Episode]:
    async with store.begin() as tx:
        return await episodes.owned(tx)
