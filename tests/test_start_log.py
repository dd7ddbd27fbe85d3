"""The lines that the log of a process begins with."""

from __future__ import annotations

import logging

from bot.fleet import build_fleet
from bot.settings.values import Settings
from bot.start_log import log_start
from bot.tenants.tenant import of_environment
from tests.running import sqlite
from tests.test_settings import REQUIRED


async def test_start_says_what_the_process_does_and_warns_of_what_may_be_a_mistake(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    proxy = {"HTTPS_PROXY": "http://proxy.example.com:3128"}
    environ = REQUIRED | {"DATABASE_URL": sqlite(tmp_path), "DYNO": "web.1", **proxy}
    settings = Settings.from_environ(environ)
    async with build_fleet(settings, [of_environment(settings)], role="web") as fleet:
        log_start(fleet, "web", ["SSLKEYLOGFILE"])
    lines = [record.getMessage() for record in caplog.records if record.name == "bot.start_log"]
    assert [line.split(" version=")[0].split(":")[0] for line in lines] == [
        "started",
        "the store is SQLite on a dyno",
        "Slack's traffic goes through a proxy that is set variables=HTTPS_PROXY",
        "variables of the environment ignored variables=SSLKEYLOGFILE",
    ]
    assert "role=web alerts=on store=SQLite" in lines[0]
