"""The log: one line an event, no secret in it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import warnings

import pytest

from bot.runtime.logs import Format, LineFormatter, LogEvent, configure, error_fields, request_id
from tests.for_each import for_each
from wechat_kf import APIError, TransportError


def line(message: object, *secrets: str, error: Exception | None = None, form: Format = "text") -> str:
    record = logging.LogRecord("bot.watch", logging.INFO, __file__, 1, message, (), None)
    record.created = 1_795_396_320.5
    if error:
        try:
            raise error
        except Exception:
            record.exc_info = sys.exc_info()
    return LineFormatter(secrets, form).format(record)


@for_each(
    "secret",
    [
        "https://api.weixin.qq.com/cgi-bin/x?access_token=87_SECRET&n=1",
        "https://hooks.slack.com/commands/T1/SECRET",
        "https://hooks.slack-gov.com/commands/T1/SECRET",
        "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1%2FSECRET",
        '{"response_url":"https:\\/\\/hooks.slack.com\\/commands\\/T1\\/SECRET"}',
        "wss://wss-primary.slack.com/link/?ticket=SECRET",
        "xoxb-1-SECRET",
        "xapp-1-SECRET",
        "postgresql://kf:SECRET@host/kf",
        "http://fixie:SECRET@proxy:80",
    ],
)
def test_text_like_a_secret_is_masked(secret):
    assert "SECRET" not in line(f"calling {secret} now")
    assert line(f"calling {secret} now").endswith("now") or "&n=1" in line(secret)


def test_secrets_of_the_settings_are_masked_everywhere():
    assert "hush-hush" not in line("it was hush-hush!", "hush-hush")


def test_traceback_is_one_line():
    assert "\n" not in line("failed", error=ValueError("two\nlines"))


def test_traceback_names_the_causes_of_an_exception():
    try:
        try:
            raise KeyError("first")
        except KeyError as exc:
            raise ValueError("second") from exc
    except ValueError as exc:
        said = line("failed", error=exc)
    assert said.index("KeyError: 'first'") < said.index("From it followed") < said.index("ValueError: second")


def test_log_goes_to_stdout_and_talkative_libraries_are_quiet_at_every_level(capsys):
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure("DEBUG", ["hush-hush"])
        logging.getLogger("bot").debug("ours %s", "hush-hush")
        logging.getLogger("httpx").info("GET https://…?access_token=1")
        logging.getLogger("slack_sdk.web").debug("a body")
    finally:
        restore(before)
    (only,) = capsys.readouterr().out.splitlines()
    assert only.endswith("DEBUG bot ours •••")


def restore(before: tuple[list[logging.Handler], int]) -> None:
    logging.captureWarnings(False)
    logging.getLogger().handlers[:], _ = before
    logging.getLogger().setLevel(before[1])


def test_warning_of_a_library_is_a_line_like_any_other(capsys):
    before = logging.getLogger().handlers[:], logging.getLogger().level
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        try:
            configure("INFO", ["hush-hush"])
            warnings.warn("not accepted:\nhush-hush", stacklevel=1)
        finally:
            restore(before)
    out, err = capsys.readouterr()
    (only,) = out.splitlines()
    assert " WARNING py.warnings " in only
    assert "hush-hush" not in out
    assert err == ""


# Fields


def test_event_is_a_name_and_its_fields():
    said = line(LogEvent("post", message=7, outcome="later", error=None, wait=1.5))
    assert said == "2026-11-23T01:12:00Z INFO bot.watch post message=7 outcome=later wait=1.5"


@pytest.mark.parametrize("odd", ["two words", "a=b", 'say "hi"', "", "two\nlines", "tab\there"])
def test_value_with_spaces_is_quoted_in_one_line(odd):
    said = line(LogEvent("post", error=odd, next=1))
    assert len(said.splitlines()) == 1
    quoted = said.removeprefix("2026-11-23T01:12:00Z INFO bot.watch post error=").removesuffix(" next=1")
    assert json.loads(quoted) == odd


def test_json_line_is_one_object_with_the_same_fields():
    said = line(LogEvent("post", message=7, error="two\nlines", ok=True), form="json")
    assert len(said.splitlines()) == 1
    assert json.loads(said) == {
        "time": "2026-11-23T01:12:00Z",
        "level": "INFO",
        "logger": "bot.watch",
        "event": "post",
        "message": 7,
        "error": "two\nlines",
        "ok": True,
    }


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("secret", ["xoxb-1-SECRET", "wss://a/link?ticket=SECRET", 'odd"\\SECRET'])
def test_secret_in_a_field_is_masked_and_the_line_stays_whole(form, secret):
    said = line(LogEvent("post", error=f"no {secret}", next=1), 'odd"\\SECRET', form=form)
    assert "SECRET" not in said
    if form == "json":
        assert json.loads(said)["next"] == 1
    else:
        assert said.endswith(" next=1")


@pytest.mark.parametrize("form", ["text", "json"])
def test_traceback_is_a_field_of_its_line(form):
    said = line(
        LogEvent("failed", loop="watcher"), "hush-hush", error=ValueError("two\nlines hush-hush"), form=form
    )
    assert len(said.splitlines()) == 1
    assert "lines •••" in said
    if form == "json":
        assert json.loads(said)["traceback"].startswith("Traceback")


# Which lines belong together


async def test_lines_of_one_request_have_its_id_also_in_tasks_and_others_have_none():
    async def later() -> str:
        await asyncio.sleep(0)
        return line("later")

    with request_id("133.7.secret"):
        now, task = line("now"), asyncio.create_task(later())
    assert now.split()[-1] == (await task).split()[-1]
    assert re.fullmatch(r"request=[0-9a-f]{8}", now.split()[-1])
    assert "request=" not in line("then")


def test_request_id_is_derived_from_the_trigger_without_revealing_it():
    with request_id("133.7.secret"):
        first = line("x")
    with request_id("133.7.secret"):
        again = line("x")
    with request_id("133.7.other"):
        other = line("x")
    assert first == again != other
    assert "133" not in first.split("request=")[1]


def test_request_id_without_a_trigger_is_unique():
    with request_id():
        first = line("x")
    with request_id():
        assert line("x") != first


def test_wechat_api_error_is_logged_with_errcode_and_rid():
    refused = APIError(40164, "invalid ip 1.2.3.4, not in whitelist", rid="65f0-1-2")
    assert str(LogEvent("look", **error_fields(refused))) == (
        'look error=APIError errcode=40164 rid=65f0-1-2 errmsg="invalid ip 1.2.3.4, not in whitelist"'
    )
    assert str(LogEvent("look", **error_fields(TransportError("GET x: ReadTimeout", attempts=3)))) == (
        'look error="GET x: ReadTimeout (after 3 attempts)"'
    )


@for_each(
    "secret",
    [
        "0123456789abcdef0123456789abcdef",  # an AppSecret
        "0123456789abcdef" * 4,  # a key of the store
        "ticket@@@SECRET-of_a.platform",
        "refreshtoken@@@SECRET",
        "preauthcode@@@SECRET",
        "queryauthcode@@@SECRET",
    ],
)
@for_each("form", ["text", "json"])
def test_secrets_of_wechat_are_masked_by_their_shape(secret, form):
    said = line(LogEvent("calling", body=f'{{"secret":"{secret}"}}', other="x"), form=form)
    assert "SECRET" not in said
    assert secret not in said
    assert "other" in said


def test_shorter_names_in_hexadecimal_stay_readable():
    assert "message=alert-0123456789abcdef" in line(LogEvent("post", message="alert-0123456789abcdef"))
