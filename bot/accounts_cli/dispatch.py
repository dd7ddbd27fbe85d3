"""Run an action of the commands `accounts` and `keys`. Whatever prevents it is one line on standard error."""

from __future__ import annotations

import argparse
from collections.abc import Coroutine, Mapping

from bot.accounts_cli import changing, listing, rotation, transfer
from bot.accounts_cli.changing import WITHOUT_ALERTS, WITHOUT_KEYS, ChangedMeanwhileError, Present
from bot.accounts_cli.terminal import failed
from bot.settings.values import Settings
from bot.store.account_changes import ChangeKind
from bot.store.store_errors import StoreError, waiting_for
from bot.tenants.loading import ReadFile, load_defined, with_stored
from bot.tenants.stored_accounts import NO_ACCOUNTS, NOT_READ, read_from

SWITCHES = {"pause": ChangeKind.PAUSE, "resume": ChangeKind.RESUME, "remove": ChangeKind.REMOVE}


async def accounts(
    given: argparse.Namespace, settings: Settings, environ: Mapping[str, str], read_file: ReadFile
) -> int:
    """Run an action of `accounts`, and return the exit status.

    Raises:
        SettingsError: the file of accounts has mistakes.
    """
    stored = await read_from(settings.database_url) if settings.alerts else NO_ACCOUNTS
    if stored.problem:
        failed(NOT_READ.format(stored.problem))
    defined = load_defined(settings, environ, read_file)
    installation = with_stored(defined, stored)
    present = Present(settings, installation, stored, defined.file)
    match given.action:
        case "check":
            print(listing.names(installation.watched))
            return 0
        case "list":
            chosen = listing.Chosen(given.state or "", given.label or "")
            return await listing.show(settings, installation, chosen, as_json=given.json)
    if not settings.alerts:
        return failed(WITHOUT_ALERTS, 2)
    if given.action == "export":
        # With accounts that could not be read, it would replace a backup by an empty file.
        return 1 if stored.problem else transfer.export(present)
    return await _guarded(_change(given, present, environ, read_file))


async def _change(
    given: argparse.Namespace, present: Present, environ: Mapping[str, str], read_file: ReadFile
) -> int:
    match given.action:
        case "add":
            return await changing.add(present, given)
        case "import":
            return await transfer.load_file(present, given.file, environ, read_file)
        case "reload":
            return await changing.reload(present)
    (tenant,) = listing.choose(present.installation.all, given.account)
    if given.action == "set":
        return await changing.change(present, tenant, given)
    is_sure = given.action != "remove" or given.yes
    return await changing.switch(present, SWITCHES[given.action], tenant, is_sure=is_sure)


async def store_keys(given: argparse.Namespace, settings: Settings) -> int:
    """Run an action of `keys` that needs the store, and return the exit status."""
    if not settings.alerts:
        return failed(WITHOUT_ALERTS, 2)
    if given.action == "status":
        return await _guarded(rotation.status(settings))
    return await _guarded(rotation.rotate(settings)) if settings.store_keys else failed(WITHOUT_KEYS, 2)


async def _guarded(work: Coroutine[None, None, int]) -> int:
    try:
        return await work
    except (ChangedMeanwhileError, listing.UnknownAccountError) as exc:
        return failed(str(exc))
    except StoreError as exc:
        return failed(f"The store cannot be used ({waiting_for(exc) or type(exc).__name__}): look at DATABASE_URL.")
