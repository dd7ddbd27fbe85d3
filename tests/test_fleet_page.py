"""docs/fleet.md: its example is valid, its mistake is the bot's, and its table has every key."""

from __future__ import annotations

import re

import pytest

from bot.__main__ import main
from bot.app import DRAIN_SECONDS
from bot.doctor import account_checks
from bot.doctor.slack import MOST_CHANNELS
from bot.settings.values import Settings
from bot.tenants.accounts_file import parse
from bot.tenants.table_keys import ACCOUNT, DEFAULTS
from bot.tenants.tenant import LONGEST_SLUG, MOST_HANDLES
from bot.watcher.poll_slots import RESERVED
from tests.documents import document

PAGE = document("docs/fleet.md")
(EXAMPLE,) = (block.text for block in PAGE.code if block.language == "toml")
(MISTAKE,) = (block.text.strip() for block in PAGE.code if block.language == "text")


def test_example_is_read_without_a_problem():
    entries, problems, *_ = parse(EXAMPLE, "accounts.toml")
    assert problems == ()
    assert [entry.slug for entry in entries] == ["harbour", "kiosk", "orchid"]
    assert [entry.values["channel"] for entry in entries] == ["C0HARBOUR01", "C0EAST00001", "C0123456789"]


def test_mistake_is_reported_as_on_the_page():
    kiosk = 'secret = "file:/run/secrets/kiosk"\n'
    wrong = EXAMPLE.replace(kiosk, f'{kiosk}chanel = "C0"\n')
    assert [str(problem) for problem in parse(wrong, "accounts.toml").problems] == [MISTAKE]


def test_table_has_every_key_and_says_where_it_may_be():
    (table,) = (table for table in PAGE.section("The file").tables if table[0][0] == "key")
    assert {row[0].strip("`"): row[1] for row in table[1:]} == {
        key: "yes" if key in DEFAULTS else "no" for key in ACCOUNT
    }


def test_numbers_of_the_page_are_those_of_the_code():
    text = " ".join(PAGE.text.split())
    assert f"1 to {LONGEST_SLUG} letters" in text
    fewer, more = (Settings("", "", "").poll_slots(receives_commands=receives) for receives in (True, False))
    assert f"`POLL_CONCURRENCY` ({fewer}; {more} in a process that does not receive commands)" in text
    assert "and two more that people requested" in text
    assert RESERVED == 2
    assert f"within ten seconds, {account_checks.AT_ONCE} at a time" in text
    assert f"Of more than {account_checks.AT_ONCE} accounts" in text
    assert f"with a line after every {account_checks.REPORTED}" in text
    assert f"in progress are finished, for up to {DRAIN_SECONDS} seconds" in text
    assert f"checks the first {MOST_CHANNELS}" in text
    assert MOST_HANDLES == 5
    assert "with up to five handles" in text


def test_commands_of_the_page_have_help(capsys):
    for command in re.findall(r"`python -m bot (accounts \w+)", PAGE.text):
        with pytest.raises(SystemExit, match="0"):
            main([*command.split(), "--help"])
        assert capsys.readouterr().out.startswith(f"usage: python -m bot {command}")
