"""The arguments of the command line."""

from __future__ import annotations

import argparse

from bot import __version__
from bot.accounts_cli.arguments import add_accounts, add_keys, add_platform


def make_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m bot", description="WeChat customer service from Slack.")
    parser.add_argument("--version", action="version", version=f"wechat-kf {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    parser.set_defaults(command="web")
    commands.add_parser("web", help="serve Slack over HTTP, and watch (the default)")
    commands.add_parser("worker", help="Socket Mode when SLACK_APP_TOKEN is set; one more watcher")
    listing = commands.add_parser("list", help="print the accounts as a table; needs the settings of WeChat alone")
    listing.add_argument("--json", action="store_true", help="for programs")
    check = commands.add_parser(
        "check", help="poll once, post what there is, print a summary, exit; for schedulers"
    )
    for command in (listing, check):
        command.add_argument("--account", metavar="HANDLE", help="one Official Account: its handle or its AppID")
    add_accounts(commands.add_parser("accounts", help="the Official Accounts: list, add, change and pause them"))
    add_keys(commands.add_parser("keys", help="the keys that seal secrets in the store"))
    add_platform(commands.add_parser("platform", help="the third-party platform: its state, links for owners"))
    queue = commands.add_parser("queue", help="the tables of the queue in QUEUE_BACKEND")
    actions = queue.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("migrate", help="make the tables that the installed version of the queue needs")
    doctor = commands.add_parser("doctor", help="say what is misconfigured, and what to do; changes nothing")
    doctor.add_argument("--json", action="store_true", help="for programs")
    examined = doctor.add_mutually_exclusive_group()
    examined.add_argument("--account", metavar="HANDLE", help="examine one Official Account, by handle or AppID")
    examined.add_argument("--all", action="store_true", help="examine each of many Official Accounts, in minutes")
    demo = commands.add_parser("demo", help="the playground: the bot in a browser, without Slack or WeChat")
    demo.add_argument("--port", type=_port, default=3000, help="where the page is; any other when it is taken")
    demo.add_argument("--no-browser", dest="browser", action="store_false", help="open no browser")
    manifest = commands.add_parser("manifest", help="print a Slack app manifest")
    manifest.add_argument("mode", nargs="?", choices=("http", "socket"), default="http")
    manifest.add_argument("--url", help="the address of this app, https://…")
    manifest.add_argument("--link", action="store_true", help="print the link that creates the Slack app of it")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a port is a number from 0 to 65535")
    return int(text)
