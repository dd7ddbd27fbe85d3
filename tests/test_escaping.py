"""Control characters and long text of others: escaped and cut in every log line and on every terminal."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pty
import sys
from datetime import timedelta

import pytest
from aiohttp import web

from bot.demo.process import ROOT
from bot.demo.servers import serve
from bot.runtime.escaping import cut, escape
from bot.runtime.logs import LONGEST_TEXT, LONGEST_VALUE, Format, LogEvent
from tests.doctors import printed
from tests.running import sqlite, world
from tests.test_logs import line
from tests.test_process import run

# ESC, C1 (8-bit CSI and OSC), bidi, an isolate, a line separator, a zero-width space, NUL, DEL, half of a pair
HOSTILE = "\x1b[2J\x9b31m\x9d0;x\x07\u202e\u2066\u2028\u200b\x00\x7f\ud800"
CONTROLS = set(HOSTILE) - set("[2J31m0;x")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain, 客服　小波 😀 é", "plain, 客服　小波 😀 é"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\u202eb", r"a\u202eb"),
        ("a\x9bb", r"a\x9bb"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_control_characters_are_escaped_and_nothing_else_is(text, safe):
    assert escape(text) == safe


def test_characters_that_a_stream_needs_can_be_kept():
    assert escape("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_long_text_keeps_its_beginning_and_its_end():
    assert cut("0123456789", 10) == "0123456789"
    assert cut("0123456789x", 5) == "01…9x"
    assert len(cut("x" * 10_000, 100)) == 100


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "event",
    [HOSTILE, LogEvent("look", errmsg=HOSTILE), LogEvent("look", errmsg=f"two words {HOSTILE}"), LogEvent(HOSTILE)],
)
def test_log_lines_have_no_control_characters(event, form: Format):
    written = line(event, form=form)
    assert not CONTROLS & set(written)
    assert "x1b" in written or "u001b" in written
    assert form == "text" or not CONTROLS & set("".join(map(str, json.loads(written).values())))


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_lines_of_exceptions_have_no_control_characters(form: Format):
    written = line("failed", error=ValueError(f"WeChat said {HOSTILE}\n{HOSTILE}"), form=form)
    assert not CONTROLS & set(written)
    assert "\n" not in written
    assert "ValueError: WeChat said" in written


@pytest.mark.parametrize("form", ["text", "json"])
def test_long_words_are_cut_in_a_log_line(form: Format):
    assert len(line(LogEvent("look", errmsg="x" * 100_000), form=form)) < LONGEST_VALUE + 200
    assert len(line("x" * 100_000, form=form)) < LONGEST_TEXT + 200
    written = line("failed", error=ValueError("x" * 100_000), form=form)
    assert len(written) < LONGEST_TEXT + 300
    assert "Traceback" in written


def test_secret_that_is_longer_than_a_field_is_masked_before_it_is_cut():
    secret = "s" * LONGEST_VALUE
    assert "sss" not in line(LogEvent("look", errmsg=f"{'x' * (LONGEST_VALUE - 10)}{secret}"), secret)


@pytest.mark.process
async def test_errmsg_of_wechat_is_escaped_and_cut_wherever_it_is_printed(tmp_path):
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(
            text=json.dumps({"errcode": 61450, "errmsg": f"sorry {HOSTILE}{'x' * 100_000}"}),
            content_type="application/json",
        )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    async with world(sqlite(tmp_path)) as place, serve(app) as url:
        place.slack.signing_secret = place.environ["SLACK_SIGNING_SECRET"] = "0123456789abcdef" * 2
        environ = place.environ | {"WECHAT_API_URL": url}
        listed, checked = await run(environ, "list"), await run(environ, "check")
        examined = *await printed(environ), ""
    for status, out, err in (listed, checked, examined):
        assert status == 1
        assert not CONTROLS & set(out + err)
        assert "sorry" in out + err
        assert len(out + err) < 20_000


@pytest.mark.process
async def test_nickname_cannot_control_the_terminal_of_list(tmp_path):
    async with world(sqlite(tmp_path)) as place:
        place.invite("bo", timedelta(days=3), "小波" + HOSTILE.replace("\ud800", ""))
        status, shown = await in_terminal(place.environ, "list")
    assert status == 0
    assert "小波" in shown
    assert not CONTROLS & set(shown)


async def in_terminal(environ: dict[str, str], *arguments: str) -> tuple[int | None, str]:
    """Run a command with a terminal as its standard output; its status and what the terminal got."""
    control, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environ},
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = await asyncio.to_thread(_read_all, control)
    return await process.wait(), shown.decode()


def _read_all(control: int) -> bytes:
    found = b""
    try:
        while piece := os.read(control, 65_536):
            found += piece
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(control)
    return found


@pytest.mark.process
async def test_uncaught_exception_cannot_control_the_terminal():
    script = (
        "import sys; from bot.runtime.streams import lasting; sys.stderr = lasting(sys.stderr); "
        f"raise ValueError({HOSTILE!r})"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd="/", env={"PYTHONPATH": str(ROOT)}, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert not CONTROLS & set(err.decode())
    assert err.decode().startswith("Traceback")
    assert "ValueError: \\x1b[2J" in err.decode()


def test_log_of_a_child_logger_is_escaped_too(caplog):
    record = logging.LogRecord("slack_sdk", logging.WARNING, __file__, 1, "refused %s", (HOSTILE,), None)
    assert not CONTROLS & set(line(record.getMessage()))
