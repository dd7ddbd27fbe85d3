"""The command line, and the only reader of the environment."""

from __future__ import annotations

import argparse
import asyncio
import io
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from dotenv import dotenv_values

from bot.logs import configure
from bot.ports import Clock, utc_now
from bot.settings import Settings, SettingsError

# Bolt reads these by itself: a client ID would switch it to OAuth, a token would make it call Slack in an ack.
BOLT_READS = ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET")
AMBIENT_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


def main(arguments: Sequence[str] | None = None, *, clock: Clock = utc_now) -> int:
    """Run one command; the exit status is 2 for settings or arguments that make no sense.

    `clock` is the time that a server lives in.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal in GBK has no emoji, and must still show the rest
    given = _parser().parse_args(arguments)
    if given.command == "manifest":
        return _manifest(given.mode, given.url, link=given.link)
    if given.command == "demo":
        from bot.demo.playground.run import main as demo

        return demo(given.port, browser=given.browser)
    try:
        environ = _environ()
    except (OSError, UnicodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        print(f"The file .env cannot be read: {why}. Mend it, or move it away.", file=sys.stderr)
        return 1 if given.command == "doctor" else 2
    if given.command == "doctor":
        return _doctor(environ, as_json=given.json, clock=clock)
    try:
        settings = Settings.from_environ(environ)
    except SettingsError as exc:
        print(f"{exc}\nEach setting is explained in README.md and .env.example.", file=sys.stderr)
        return 2
    return _run(given.command, settings, clock)


def _run(command: str, settings: Settings, clock: Clock) -> int:
    from bot import app, console

    one_off = command in ("list", "check")
    level = "WARNING" if one_off and settings.log_level == "INFO" else settings.log_level
    configure(level, settings.secrets, settings.log_format)
    if command == "list":
        return asyncio.run(console.show_list(settings))
    if command == "check":
        return asyncio.run(console.check(settings))
    serving = app.serve(settings, role=command, leave=os._exit, ambient_proxies=_ambient_proxies(), clock=clock)
    return asyncio.run(serving)


def _doctor(environ: Mapping[str, str], *, as_json: bool, clock: Clock) -> int:
    from bot import doctor

    logging.disable()  # what there is to say is in its findings
    work = doctor.run(
        environ, ambient_proxies=_ambient_proxies(), as_json=as_json, out=sys.stdout, leave=os._exit, clock=clock
    )
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return 130


def _ambient_proxies() -> list[str]:
    return [name for name in AMBIENT_PROXIES if os.environ.get(name)]


def _manifest(mode: str, url: str | None, *, link: bool) -> int:
    from bot.manifest import create_link, manifest

    try:
        text = manifest("socket" if mode == "socket" else "http", url)
        print(f"{create_link(text)}\n" if link else text, end="")
    except ValueError as exc:
        print(exc, file=sys.stderr)
        return 2
    return 0


def _environ() -> dict[str, str]:
    """The environment, and below it the file `.env`.

    Raises:
        OSError, UnicodeError: the file is there, and cannot be read.
    """
    environ = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    environ |= os.environ
    for name in BOLT_READS:
        os.environ.pop(name, None)
    return environ


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="WeChat customer service from Slack.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    parser.set_defaults(command="web")
    commands.add_parser("web", help="serve Slack over HTTP, and watch (the default)")
    commands.add_parser("worker", help="Socket Mode when SLACK_APP_TOKEN is set; one more watcher")
    commands.add_parser("list", help="print the accounts as a table")
    commands.add_parser("check", help="look once, tell what there is, exit; for schedulers")
    doctor = commands.add_parser("doctor", help="say what is misconfigured, and what to do; changes nothing")
    doctor.add_argument("--json", action="store_true", help="for programs")
    demo = commands.add_parser("demo", help="the playground: the bot in a browser, without Slack or WeChat")
    demo.add_argument("--port", type=_port, default=3000, help="where the page is; any other when it is taken")
    demo.add_argument("--no-browser", dest="browser", action="store_false", help="open no browser")
    manifest = commands.add_parser("manifest", help="print a Slack app manifest")
    manifest.add_argument("mode", nargs="?", choices=("http", "socket"), default="http")
    manifest.add_argument("--url", help="the address of this app, https://…")
    manifest.add_argument("--link", action="store_true", help="print the link that creates the Slack app of it")
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port: they go from 0 to 65535")
    return number


if __name__ == "__main__":
    sys.exit(main())
