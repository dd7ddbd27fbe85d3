"""The arguments of the commands `accounts`, `keys` and `platform`."""

from __future__ import annotations

import argparse

from bot.command_words import TENANT_STATES

# The settings of an account that a command sets, by the keys of a file of accounts.
SETTINGS = {
    "name": "what messages call it",
    "channel": "ID of the channel for its alerts",
    "labels": "words for routes, with commas between",
    "viewers": "IDs of people and user groups who may see it outside its channel",
    "mention": "ID of the person or the group whom urgent alerts mention",
    "leads": "how long before a deadline to remind, such as 24h,6h,1h",
    "quiet": "quiet hours, such as 22:00-08:00",
    "breakthrough": "on: the last reminder is posted in quiet hours as well",
    "timezone": "IANA name",
    "poll": "time between two polls, such as 5m",
    "language": "en or zh",
}
HANDLE = "its handle or its AppID"
ON_STDIN = "-: the AppSecret is read from standard input, or asked for on a terminal"


def add_accounts(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `accounts`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="print them as a table, with the last poll and the state of each")
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.add_argument("--state", choices=("watched", "paused", *TENANT_STATES), help="those in this state alone")
    listing.add_argument("--label", help="those with this label alone")
    actions.add_parser("check", help="read the file, and name every mistake with its line; starts nothing")
    adding = actions.add_parser("add", help="add one to the store, after WeChat has given a token for it")
    adding.add_argument("appid", metavar="APPID")
    adding.add_argument("--handle", help="what people type after @; without it wx and the last six of the AppID")
    source = "service: its tokens come from TOKEN_SERVICE_URL, and there is no AppSecret"
    adding.add_argument("--source", choices=("secret", "service"), default="secret", help=source)
    setting = actions.add_parser("set", help="change one of the store; an empty text removes a setting")
    setting.add_argument("account", metavar="HANDLE", help=HANDLE)
    setting.add_argument("--handle", help="another handle")
    for command in (adding, setting):
        command.add_argument("--secret", type=_on_stdin, metavar="-", help=ON_STDIN)
        for key, meaning in SETTINGS.items():
            command.add_argument(f"--{key}", help=meaning)
    for action, meaning in (("pause", "watch it no more, and keep it"), ("resume", "watch it again")):
        command = actions.add_parser(action, help=meaning)
        command.add_argument("account", metavar="HANDLE", help=HANDLE)
    removing = actions.add_parser("remove", help="delete its AppSecret at once, and what is known of it in 90 days")
    removing.add_argument("account", metavar="HANDLE", help=HANDLE)
    removing.add_argument("--yes", action="store_true", help="do not ask")
    importing = actions.add_parser("import", help="add or change those of a file: all of them, or none")
    importing.add_argument("file", metavar="FILE")
    actions.add_parser("export", help="print those of the store as such a file, without secrets")
    actions.add_parser("reload", help="make the running processes read the file again")


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `keys`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("new", help="print a new key for STORE_KEYS")
    actions.add_parser("rotate", help="seal every secret with the first of STORE_KEYS")
    actions.add_parser("status", help="count the secrets of each key")


def add_platform(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `platform`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="print the ticket's age, the token's end, the accounts, and faults")
    evidence = "print what WeChat answers, without secrets and names, to be added to a report"
    status.add_argument("--evidence", action="store_true", help=evidence)
    actions.add_parser("link", help="print the link with which an owner authorises the platform")
    actions.add_parser("sync", help="read the list of authorised accounts now")


def _on_stdin(text: str) -> str:
    if text != "-":
        # Not quoted: it is a secret, and standard error may be kept in a log.
        raise argparse.ArgumentTypeError("the AppSecret must not be an argument: write --secret -, and pipe it in")
    return text
