"""Read the accounts again while the process runs. A file with a mistake changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from bot.runtime.logs import LogEvent, configure
from bot.settings.reader import InvalidSetting, SettingsError
from bot.settings.values import Settings
from bot.store import processes
from bot.store import tenants as tenant_rows
from bot.store.database import Store
from bot.tenants import stored_accounts
from bot.tenants.installation import PAUSED
from bot.tenants.loading import ReadFile, load, load_paused, read_accounts_file, secrets_of
from bot.tenants.model import Tenant
from bot.tenants.stored_accounts import NO_ACCOUNTS, StoredAccounts

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0  # between two looks for changes by commands
KEPT = timedelta(days=90)  # for which the rows of a removed account stay
PRUNE_EVERY = timedelta(hours=1)


class Reloading:
    """The accounts as last read, and where they come from."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        read_file: ReadFile,
        tenants: Sequence[Tenant],
        stored: StoredAccounts = NO_ACCOUNTS,
    ) -> None:
        """Keep what `load` needs, and read the files. The variables of the process are those of its start."""
        self._settings = settings
        self._environ = environ
        self._read_file = read_file
        self._tenants = tuple(tenants)
        self._stored = stored
        self._asked_at: datetime | None = None
        self._pruned_at = datetime.min.replace(tzinfo=UTC)
        self._texts: dict[str, str] = {}  # of the files that the last valid accounts came from, by path
        with suppress(SettingsError):
            self._load()

    async def reload(self) -> Sequence[Tenant] | None:
        """Return the accounts as they are now; None if nothing has changed.

        While the file has a mistake, which is logged, its accounts stay as they were; those of the store change.
        """
        await self._read_store()
        try:
            tenants = self._load()
        except SettingsError as exc:
            _log_problems(exc.problems)
            tenants = self._load_last_files()
            if tenants == self._tenants:
                return None
        if not tenants:
            _log_problems([InvalidSetting("accounts", "are all paused: the last ones go on")])
            return None
        if tenants == self._tenants:
            log.info(LogEvent("accounts unchanged", accounts=len(tenants)))
            return None
        # The lines of requests in progress may still hold a secret of before.
        secrets = dict.fromkeys([*secrets_of(tenants), *secrets_of(self._tenants)])
        configure(self._settings.log_level, [*secrets], self._settings.log_format)
        log.info(LogEvent("accounts reloaded", **_changes(self._tenants, tenants)))
        self._tenants = tenants
        self.log_paused()
        return tenants

    async def check(self, store: Store, process_id: str, renew: Callable[[], None]) -> None:
        """Call `renew` if commands have changed accounts, or ask this process to read its file again.

        Once an hour, delete the rows of accounts that were removed long ago, one account a time.
        """
        async with store.begin() as tx:
            changed_at = await tenant_rows.last_change(tx)
            asked_at = await processes.reload_at(tx, process_id)
            if tx.now - self._pruned_at >= PRUNE_EVERY and not await tenant_rows.delete_removed(tx, tx.now - KEPT):
                self._pruned_at = tx.now
        is_asked = asked_at is not None and asked_at != self._asked_at
        self._asked_at = asked_at
        is_changed = changed_at != self._stored.changed_at or self._stored.problem != ""
        if is_asked or (self._settings.reads_stored_accounts and is_changed):
            renew()

    def log_paused(self) -> None:
        """Log which accounts of the store are not watched although no person has paused them."""
        file = read_accounts_file(self._settings, self._read_file)
        for one in load_paused(self._settings, file, self._stored, self._tenants):
            if one.why != PAUSED:
                log.error(LogEvent("account not watched", account=one.tenant.slug, reason=one.why))

    def _load(self) -> tuple[Tenant, ...]:
        """Load all accounts, and remember the files that they came from."""
        texts: dict[str, str] = {}

        def read(path: str) -> str:
            texts[path] = self._read_file(path)
            return texts[path]

        tenants = load(self._settings, self._environ, read, self._stored)
        self._texts = texts
        return tenants

    def _load_last_files(self) -> tuple[Tenant, ...]:
        try:
            return load(self._settings, self._environ, self._texts.__getitem__, self._stored)
        except (SettingsError, KeyError):  # they had a mistake at the start, or there were none
            return self._tenants

    async def _read_store(self) -> None:
        if not self._settings.reads_stored_accounts:
            return
        found = await stored_accounts.read_from(self._settings.database_url)
        if found.problem:
            log.warning(LogEvent("accounts cannot be read in the store", error=found.problem))
        else:
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
