"""The log: one line an event, no secret in it."""

from __future__ import annotations

import logging
import sys

import pytest

from bot.logs import OneLine, configure


def line(message: str, *secrets: str, error: Exception | None = None) -> str:
    record = logging.LogRecord("bot.watch", logging.INFO, __file__, 1, message, (), None)
    if error:
        try:
            raise error
        except Exception:
            record.exc_info = sys.exc_info()
    return OneLine(secrets).format(record)


@pytest.mark.parametrize(
    "secret",
    [
        "https://api.weixin.qq.com/cgi-bin/x?access_token=87_SECRET&n=1",
        "https://hooks.slack.com/commands/T1/SECRET",
        "wss://wss-primary.slack.com/link/?ticket=SECRET",
        "xoxb-1-SECRET",
        "xapp-1-SECRET",
        "postgresql://kf:SECRET@host/kf",
        "http://fixie:SECRET@proxy:80",
    ],
)
def test_what_looks_like_a_secret_is_masked(secret):
    assert "SECRET" not in line(f"calling {secret} now")
    assert line(f"calling {secret} now").endswith("now") or "&n=1" in line(secret)


def test_the_secrets_of_the_settings_are_masked_wherever_they_stand():
    assert "hush-hush" not in line("it was hush-hush!", "hush-hush")


def test_a_traceback_is_one_line():
    assert "\n" not in line("failed", error=ValueError("two\nlines"))


def test_the_log_goes_to_stdout_and_talkative_libraries_are_quiet_at_every_level(capsys):
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure("DEBUG", ["hush-hush"])
        logging.getLogger("bot").debug("ours %s", "hush-hush")
        logging.getLogger("httpx").info("GET https://…?access_token=1")
        logging.getLogger("slack_sdk.web").debug("a body")
    finally:
        logging.getLogger().handlers[:], _ = before
        logging.getLogger().setLevel(before[1])
    (only,) = capsys.readouterr().out.splitlines()
    assert only.endswith("DEBUG bot ours •••")
