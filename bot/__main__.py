"""The command line: run one command."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bot import environment, packages
from bot.command_parser import make_parser
from bot.runtime.streams import lasting
from bot.sealing import new_key

if TYPE_CHECKING:
    from bot.settings.values import Settings
    from bot.tenants.loading import DefinedAccounts
    from bot.tenants.stored_accounts import StoredAccounts

OURS = ("bot", "wechat_kf")
USE_QUEUE = ("web", "worker", "queue")  # commands
NO_QUEUE = "QUEUE_BACKEND is not set, so there is no queue."
USUAL_THRESHOLDS = gc.get_threshold()
NEW_OBJECTS_AT_START = 100_000  # before garbage is looked for


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit status: 2 if settings or arguments are not valid."""
    parser = make_parser()
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        # Values are not quoted: one may be an AppSecret, and standard error may be kept in a log.
        shown = (one.partition("=")[0] if one.startswith("-") else "…" for one in unknown)
        parser.error(f"unrecognized arguments: {' '.join(shown)}")
    if given.command == "manifest":
        return _manifest(given.mode, given.url, link=given.link)
    if given.command == "keys" and given.action == "new":
        print(new_key())
        return 0
    variables = environment.take()
    try:
        if missing := packages.missing():
            return _failed(packages.advice(missing))
        return _run(given, variables)
    except ModuleNotFoundError as exc:
        package = (exc.name or "").partition(".")[0]
        if package in ("", *OURS):
            raise
        return _failed(packages.advice([package]))
    except KeyboardInterrupt:
        return 130
    finally:
        gc.set_threshold(*USUAL_THRESHOLDS)


def _run(given: argparse.Namespace, variables: Mapping[str, str]) -> int:
    # Packages are imported here: they may be missing, and variables have been hidden from them.
    if given.command == "demo":
        from bot.demo.playground.run import main as demo

        return demo(given.port, browser=given.browser)
    # Objects that are made at the start stay, so that to collect garbage meanwhile only takes time.
    gc.set_threshold(NEW_OBJECTS_AT_START)
    from bot.accounts_cli.listing import ACCOUNTS, KEYS, UnknownAccountError
    from bot.settings.parsers import QueueKind
    from bot.settings.reader import SettingsError
    from bot.settings.values import LIST, OF_PLATFORM, QUEUE, Settings
    from bot.tenants.loading import load_defined

    try:
        environ = environment.with_file(variables)
    except (OSError, UnicodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        status = 1 if given.command == "doctor" else 2
        return _failed(f"The file .env cannot be read: {why}. Mend it, or move it away.", status)
    if given.command == "doctor":
        return _doctor(given, environ)
    try:
        of_command = {"list": LIST, "accounts": ACCOUNTS, "keys": KEYS, "queue": QUEUE, "platform": OF_PLATFORM}
        needed = of_command.get(given.command)
        settings = Settings.from_environ(environ, needed=needed)
        has_queue = settings.queue_backend is not QueueKind.ROWS
        if has_queue and given.command in USE_QUEUE and (missing := packages.missing(packages.OF_QUEUE)):
            return _failed(packages.advice(missing, packages.FLEET))
        if given.command == "queue":
            return _migrate_queue(settings) if has_queue else _failed(NO_QUEUE)
        if given.command in ("accounts", "keys", "platform"):
            return _administer(given, settings, environ)
        defined = load_defined(settings, environ, environment.read_file, posts=given.command != "list")
        if given.command in ("list", "check"):
            return _one_off(given, defined)
    except SettingsError as exc:
        return _failed(f"{exc}\nEach setting is explained in README.md and .env.example.")
    except UnknownAccountError as exc:
        return _failed(str(exc))
    return _serve(given, defined, environ)


def _administer(given: argparse.Namespace, settings: Settings, environ: Mapping[str, str]) -> int:
    from bot.accounts_cli import dispatch
    from bot.runtime.logs import configure

    configure("WARNING", settings.secrets, settings.log_format, sys.stderr)  # stdout is for programs to read
    if given.command == "keys":
        return asyncio.run(dispatch.store_keys(given, settings))
    if given.command == "platform":
        from bot import platform_command

        return asyncio.run(platform_command.run(given, settings))
    return asyncio.run(dispatch.accounts(given, settings, environ, environment.read_file))


def _stored_accounts(settings: Settings) -> StoredAccounts:
    """Return the accounts that commands have added; none if the store cannot be read now."""
    from bot.tenants.stored_accounts import NO_ACCOUNTS, NOT_READ, read_from

    if not settings.reads_stored_accounts:
        return NO_ACCOUNTS
    stored = asyncio.run(read_from(settings.database_url))
    if stored.problem:
        _failed(NOT_READ.format(stored.problem))
    return stored


def _migrate_queue(settings: Settings) -> int:
    from bot import queue_cli

    return asyncio.run(queue_cli.migrate(settings.database_url))


def _one_off(given: argparse.Namespace, defined: DefinedAccounts) -> int:
    from bot import console
    from bot.accounts_cli.listing import choose
    from bot.runtime.logs import configure
    from bot.serving import NO_ACCOUNT
    from bot.tenants.loading import secrets_of, with_stored

    settings, stored = defined.settings, _stored_accounts(defined.settings)
    tenants = with_stored(defined, stored, posts=given.command != "list").watched
    if not tenants:
        return _failed(NO_ACCOUNT)
    chosen = choose(tenants, given.account)
    level = "WARNING" if settings.log_level == "INFO" else settings.log_level
    configure(level, secrets_of(tenants), settings.log_format, sys.stderr)  # stdout is for programs to read
    if given.command == "list":
        return asyncio.run(console.show_list(settings, chosen, as_json=given.json))
    return asyncio.run(console.check(settings, tenants, chosen))


def _serve(given: argparse.Namespace, defined: DefinedAccounts, environ: Mapping[str, str]) -> int:
    from bot.ports import utc_now
    from bot.runtime.logs import configure
    from bot.serving import NO_ACCOUNT, serve
    from bot.tenants.loading import secrets_of
    from bot.tenants.reloading import Reloading

    settings = defined.settings
    if not defined.tenants and not settings.reads_stored_accounts:
        return _failed(NO_ACCOUNT)
    configure(settings.log_level, [*settings.secrets, *secrets_of(defined.tenants)], settings.log_format)
    reloading = None
    if settings.accounts_file or settings.reads_stored_accounts:  # the former also without alerts
        reloading = Reloading(defined, environ, environment.read_file)
    serving = serve(
        defined,
        role=given.command,
        exit_now=os._exit,
        ignored=environment.ignored(environ),
        clock=utc_now,
        reloading=reloading,
    )
    _leave_to_the_end()
    return asyncio.run(serving)


def _leave_to_the_end() -> None:
    """Let the garbage collector leave out what there is now: modules, and accounts, which have no cycles.

    It collects all generations when a quarter of the objects are new. With 150,000 old ones that is seldom, and
    garbage takes megabytes until then. No collection comes first: it takes a twelfth of the start, for 29 objects.
    """
    gc.freeze()
    gc.collect()  # counts those that are left: none
    gc.set_threshold(*USUAL_THRESHOLDS)


def _doctor(given: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from bot.accounts_cli.listing import UnknownAccountError, choose
    from bot.doctor import runner
    from bot.doctor.account_checks import Scope
    from bot.ports import utc_now

    logging.disable()  # its findings contain everything
    work = runner.run(
        environ,
        ignored=environment.ignored(environ),
        as_json=given.json,
        out=sys.stdout,
        exit_now=os._exit,
        clock=utc_now,
        read_file=environment.read_file,
        scope=Scope(
            choose=lambda tenants: choose(tenants, given.account),
            every=given.all,
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        ),
    )
    try:
        return asyncio.run(work)
    except UnknownAccountError as exc:
        return _failed(str(exc))


def _manifest(mode: str, url: str | None, *, link: bool) -> int:
    from bot.manifest import create_link, manifest

    try:
        text = manifest("socket" if mode == "socket" else "http", url)
    except ValueError as exc:
        return _failed(str(exc))
    print(f"{create_link(text)}\n" if link else text, end="")
    return 0


def _failed(why: str, status: int = 2) -> int:
    print(why, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.stdout, sys.stderr = lasting(sys.stdout), lasting(sys.stderr)
    sys.exit(main())
