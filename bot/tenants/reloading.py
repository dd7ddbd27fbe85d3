"""Read the accounts again while the process runs. A file with a mistake changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.runtime.logs import LogEvent, configure
from bot.settings.reader import InvalidSetting, SettingsError
from bot.store import processes
from bot.store import tenants as tenant_rows
from bot.store.database import Store
from bot.tenants import stored_accounts
from bot.tenants.installation import PAUSED, Installation
from bot.tenants.loading import DefinedAccounts, ReadFile, load_defined, secrets_of, with_stored
from bot.tenants.stored_accounts import NO_ACCOUNTS, StoredAccounts
from bot.tenants.tenant import Tenant

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0  # between two looks for changes by commands
KEPT = timedelta(days=90)  # for which the rows of a removed or withdrawn account stay
UNLOADING = timedelta(days=1)  # before its rows are deleted, a withdrawn account is removed from all processes
PRUNE_EVERY = timedelta(hours=1)


class Reloading:
    """The accounts as last read, and where they come from."""

    def __init__(
        self,
        defined: DefinedAccounts,
        environ: Mapping[str, str],
        read_file: ReadFile,
        stored: StoredAccounts = NO_ACCOUNTS,
    ) -> None:
        """Keep the present accounts, and what reads them again. The variables are those of the start."""
        self._settings = defined.settings
        self._environ = environ
        self._read_file = read_file
        self._defined = defined
        self._stored = stored
        self._installation = with_stored(defined, stored)
        self._reading = asyncio.Lock()
        self._asked_at: datetime | None = None
        self._pruned_at = datetime.min.replace(tzinfo=UTC)

    @property
    def defined(self) -> DefinedAccounts:
        """Return the accounts of the last file without a mistake, and that of the environment."""
        return self._defined

    async def start(self) -> Sequence[Tenant]:
        """Return the accounts at the start of the process, with those of the store."""
        async with self._reading:
            await self._read_store()
            return self._take_over(await self._with_stored())

    async def reload(self) -> Sequence[Tenant] | None:
        """Return the accounts as they are now; None if nothing has changed.

        While the file has a mistake, which is logged, its accounts stay as they were; those of the store change.
        """
        async with self._reading:
            await self._read_store()
            mistakes = await self._read_files()
            _log_problems(mistakes)
            found, before = await self._with_stored(), self._installation.watched
            if not found.watched and before:
                _log_problems([InvalidSetting("accounts", "are all paused: the last ones go on")])
                return None
            if found.watched == before:
                if not mistakes:
                    log.info(LogEvent("accounts unchanged", accounts=len(before)))
                return None
            tenants = self._take_over(found)
            log.info(LogEvent("accounts reloaded", **_changes(before, tenants)))
            return tenants

    async def check(self, store: Store, process_id: str, renew: Callable[[], None]) -> None:
        """Call `renew` if commands have changed accounts, or ask this process to read its file again.

        Once an hour, delete the rows of accounts that were removed or withdrawn long ago, one account a time.
        """
        async with store.begin() as tx:
            changed_at = await tenant_rows.last_change(tx)
            asked_at = await processes.reload_at(tx, process_id)
            if tx.now - self._pruned_at >= PRUNE_EVERY:
                await tenant_rows.remove_withdrawn(tx, tx.now - KEPT + UNLOADING)
                if not await tenant_rows.delete_removed(tx, tx.now - KEPT):
                    self._pruned_at = tx.now
        is_asked = asked_at is not None and asked_at != self._asked_at
        self._asked_at = asked_at
        is_changed = changed_at != self._stored.changed_at or self._stored.problem != ""
        if is_asked or (self._settings.reads_stored_accounts and is_changed):
            renew()

    def log_paused(self) -> None:
        """Log which accounts of the store are not watched although no person has paused them."""
        for one in self._installation.paused:
            if one.why != PAUSED:
                log.error(
                    LogEvent(
                        "account not watched", account=one.tenant.slug, reason=one.why, next=one.remedy or None
                    )
                )

    def _take_over(self, found: Installation) -> Sequence[Tenant]:
        # The lines of requests in progress may still hold a secret of before.
        of_accounts = [*secrets_of(found.watched), *secrets_of(self._installation.watched)]
        secrets = [*dict.fromkeys([*self._settings.secrets, *of_accounts])]
        configure(self._settings.log_level, secrets, self._settings.log_format)
        self._installation = found
        self.log_paused()
        return found.watched

    async def _with_stored(self) -> Installation:
        # In a thread, since thousands of accounts would keep the loop from acknowledging requests.
        return await asyncio.to_thread(with_stored, self._defined, self._stored)

    async def _read_files(self) -> Sequence[InvalidSetting]:
        """Read the file of accounts again, and return its mistakes. With any, the last one stays."""
        try:
            reading = asyncio.to_thread(load_defined, self._settings, self._environ, self._read_file)
            self._defined = await reading
        except SettingsError as exc:
            return exc.problems
        return ()

    async def _read_store(self) -> None:
        if not self._settings.reads_stored_accounts:
            return
        found = await stored_accounts.read_from(self._settings.database_url)
        if found.problem:
            log.warning(LogEvent("accounts cannot be read in the store", error=found.problem))
            found = replace(self._stored, problem=found.problem)
        self._stored = found


def _log_problems(problems: Iterable[InvalidSetting]) -> None:
    for problem in problems:
        log.error(LogEvent("accounts not reloaded", mistake=problem))


def _changes(before: Sequence[Tenant], after: Sequence[Tenant]) -> dict[str, object]:
    """Return the handles of the accounts that were added, removed and changed."""
    old, new = ({one.appid: one for one in tenants} for tenants in (before, after))
    handles = {
        "added": [one.slug for appid, one in new.items() if appid not in old],
        "removed": [one.slug for appid, one in old.items() if appid not in new],
        "changed": [one.slug for appid, one in new.items() if appid in old and one != old[appid]],
    }
    return {"accounts": len(after)} | {what: ",".join(those) for what, those in handles.items() if those}
