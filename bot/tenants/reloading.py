"""Read the file of accounts again while the process runs. A file with a mistake changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from bot.runtime.logs import LogEvent, configure
from bot.settings.reader import SettingsError
from bot.settings.values import Settings
from bot.tenants.loading import ReadFile, load, secrets_of
from bot.tenants.model import Tenant

log = logging.getLogger(__name__)


class Reloading:
    """The accounts as last read, and where they come from."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], read_file: ReadFile, tenants: Sequence[Tenant]
    ) -> None:
        """Keep what `load` needs. The variables of the process are those of its start."""
        self._settings = settings
        self._environ = environ
        self._read_file = read_file
        self._tenants = tuple(tenants)

    def reload(self) -> Sequence[Tenant] | None:
        """Return the accounts of the file; None if it has a mistake, which is logged, or nothing has changed."""
        try:
            tenants = load(self._settings, self._environ, self._read_file)
        except SettingsError as exc:
            for problem in exc.problems:
                log.error(LogEvent("accounts not reloaded", mistake=problem))
            return None
        if tenants == self._tenants:
            log.info(LogEvent("accounts unchanged", accounts=len(tenants)))
            return None
        # The lines of requests in progress may still hold a secret of before.
        secrets = dict.fromkeys([*secrets_of(tenants), *secrets_of(self._tenants)])
        configure(self._settings.log_level, [*secrets], self._settings.log_format)
        log.info(LogEvent("accounts reloaded", **_changes(self._tenants, tenants)))
        self._tenants = tenants
        return tenants


def _changes(before: Sequence[Tenant], after: Sequence[Tenant]) -> dict[str, object]:
    """Return the handles of the accounts that were added, removed and changed."""
    old, new = ({one.appid: one for one in tenants} for tenants in (before, after))
    handles = {
        "added": [one.slug for appid, one in new.items() if appid not in old],
        "removed": [one.slug for appid, one in old.items() if appid not in new],
        "changed": [one.slug for appid, one in new.items() if appid in old and one != old[appid]],
    }
    return {"accounts": len(after)} | {what: ",".join(those) for what, those in handles.items() if those}
