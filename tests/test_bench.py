"""A tiny share of `make bench`, and tests of its statistics."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from bench import ack_latency, explanations, memory, modal_latency, poll_cpu, reply_latency
from bench.fleet import scenes
from bench.fleet.lateness import DueTimes, lateness
from bench.fleet.measured_fleet import Size, measured_fleet
from bench.fleet.posts import probes_in
from bench.fleet.wechat_process import Poll
from bench.obliging_slack import serve_obliging_slack
from bench.results import Figure, Section, page
from bench.testbed import OPERATOR, serve_testbed, sqlite
from bot.demo.process import ROOT, running
from bot.settings.parsers import QueueKind
from wechat_kf import protocol


@pytest.mark.test_all
@pytest.mark.process
@pytest.mark.timeout(120)
async def test_every_measurement_runs(tmp_path):
    async with serve_testbed() as testbed:
        secret, environ = testbed.slack.signing_secret, testbed.environ(sqlite(tmp_path, "kf"))
        async with (
            running(environ, module="bench.uncached_bot") as bot,
            running(environ, module="bench.baseline_bolt") as bare,
        ):
            acknowledged = await ack_latency.take(
                secret, testbed.sink, bot.url, bare.url, rounds=2, each=3, warm_up=1
            )
            answered = [number async for number, _ in memory.take(bot.process.pid, secret, bot.url, 16)]
            before = len(testbed.wechat.log)
            async with running(environ, module="bench.baseline_no_bolt") as plain:
                compared = await reply_latency.take(secret, bot.url, plain.url, rounds=2, each=3, warm_up=1)
            log = list(testbed.wechat.log)[before:]
            reads = [call for call in log if call.path == protocol.KF_LIST]
            assert len(reads) >= 14  # each of the commands to both reads WeChat
        looked = await poll_cpu.take(environ, sqlite(tmp_path, "a"), sqlite(tmp_path, "b"), ticks=3, warm_up=1)
        assert testbed.slack.take_unexpected() == []
    for times in (acknowledged, compared):
        assert [[len(one) for one in app] for app in times] == [[3, 3], [3, 3]]
    assert (answered[0], answered[-1]) == (0, 16)
    assert [(len(one.polls), len(one.edit_passes)) for one in looked] == [(3, 3), (3, 3)]


@pytest.mark.test_all
@pytest.mark.process
@pytest.mark.timeout(120)
async def test_clicks_and_submissions_are_measured(tmp_path):
    async with serve_testbed() as testbed, serve_obliging_slack() as slack:
        secret, more = testbed.slack.signing_secret, {"KF_OPERATORS": OPERATOR, "SLACK_API_URL": slack.url}
        environ = testbed.environ(sqlite(tmp_path, "kf"), **more)
        async with (
            running(environ, module="bench.unlimited_bot") as bot,
            running(environ | {"SLACK_BOT_TOKEN": "xoxb-bare"}, module="bench.baseline_bolt") as bare,
        ):
            clicked = await modal_latency.take_clicks(secret, bot.url, bare.url, rounds=2, each=3, warm_up=1)
            submitted = await modal_latency.take_submissions(secret, bot.url, each=22, warm_up=0)
    assert [[len(one) for one in app] for app in clicked] == [[3, 3], [3, 3]]
    assert len(submitted) == 22  # more than people may change in an hour
    opened = [slack.calls[token, "views.open"] for token in (environ["SLACK_BOT_TOKEN"], "xoxb-bare")]
    assert opened == [7, 7]


@pytest.mark.test_all
@pytest.mark.process
@pytest.mark.timeout(120)
async def test_fleet_with_a_queue_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "SETTLE_SECONDS", 0.1)
    async with measured_fleet(Size(3, 1), tmp_path, QueueKind.PROCRASTINATE) as fleet, fleet.worker() as bot:
        assert await fleet.first_round() > 0
        burst = await scenes.burst(fleet, bot)
        steady = await scenes.steady(fleet, bot, 4)
    assert 0 < burst.seconds < 60
    assert steady.polls > 0
    assert min(steady.cost.process, burst.cost.process) > 0


def test_lateness_is_that_of_the_poll_after_the_due_time():
    arrivals = {1: [100.0, 131.0], 2: [99.0, 109.5], 3: [130.0], 4: [104.0]}
    samples = [
        DueTimes(105.0, {1: 130.0, 2: 109.0, 3: 120.0, 4: 164.0}),  # the last shows the lease of a running poll
        DueTimes(110.5, {1: 130.0, 2: 139.0}),  # the poll of the second has just arrived
    ]
    assert sorted(lateness(samples, arrivals, 150.0)) == [0.5, 1.0, 10.0]
    assert sorted(lateness(samples, {}, 150.0)) == [11.0, 20.0, 30.0, 41.0]  # as late as the end, without any poll
    due_later = [DueTimes(105.0, {1: 160.0})]
    assert lateness(due_later, arrivals, 150.0) == []


def test_attempts_of_one_probe_are_counted_once():
    requests = [Poll(100.0, 1), Poll(100.4, 1), Poll(101.5, 1), Poll(115.0, 2), Poll(115.5, 2), Poll(130.0, 2)]
    assert [probes_in(requests[:number]) for number in range(7)] == [0, 1, 1, 1, 2, 2, 3]


def test_disturbed_round_does_not_count():
    calm, disturbed = [1.0, 1.0, 1.0, 2.0], [9.0, 9.0, 9.0, 9.0]
    assert ack_latency.typical([calm, calm, disturbed], 50) == 1.0
    assert ack_latency.ratio([calm, calm, disturbed], [calm, calm, calm], 50) == 1.0
    assert reply_latency.middle([calm, disturbed, calm]) == 1.0
    assert reply_latency.ratio([disturbed, calm, calm], [calm, calm, calm]) == 1.0


@pytest.mark.parametrize(
    ("samples", "added"),
    [
        ([77.0, *[100.0] * 99], 0),
        ([77.0, *(100 + number / 2 for number in range(50)), *[125.0] * 50], 0),  # it grows, and ends growing
        ([100 + number / 10 for number in range(100)], 2.5),
    ],
)
def test_growth_of_memory_is_that_of_the_last_third(samples, added):
    assert memory.growth(samples) == pytest.approx(added, abs=0.1)


def test_page_shows_for_each_bound_whether_it_is_kept():
    figures = (Figure("start", "1.10 s", "under 1.5 s"), Figure("ratio", "1.20", "at most 1.15", kept=False))
    sections = [Section("One", (*figures, Figure("p50", "1.60 ms")), "What it means.")]
    shown = page(sections)
    assert "| start | 1.10 s | under 1.5 s | ✓ |" in shown
    assert "| ratio | 1.20 | at most 1.15 | ✗ |" in shown
    assert "| p50 | 1.60 ms |  |  |" in shown
    assert "## One\n\nWhat it means." in shown
    assert not sections[0].kept


def test_committed_page_has_the_explanations_of_the_code():
    text = (ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    meanings = [value for name, value in vars(explanations).items() if name.isupper()]
    assert [meaning for meaning in meanings if meaning.strip() not in text] == []
    assert len(meanings) == text.count("\n## ")


@pytest.mark.test_all
@pytest.mark.process
def test_files_entered_are_counted_for_a_command_an_alert_and_a_click() -> None:
    # In a process of its own: it replaces the loops of the bot and profiles all threads.
    command = [sys.executable, "-m", "bench.files_entered", "--list"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT).stdout
    flows = dict(re.findall(r"^(\S.*): \d+\n((?:  .*\n)*)", printed, re.M))
    assert [*flows] == ["/kf find anna", "one alert", "one Acknowledge"]
    for files, entered in zip(
        flows.values(), ("wechat_kf/client.py", "wechat_kf/client.py", "bot/web/guard.py"), strict=True
    ):
        assert f"  {entered}\n" in files
        assert "bot/demo" not in files
        assert "wechat_kf/simulator" not in files


@pytest.mark.process
async def test_measured_process_searches_the_folders_of_its_variables_first(tmp_path):
    (tmp_path / "shown.py").write_text("import sys; print(sys.path)")
    log = tmp_path / "log"
    async with running({"PYTHONPATH": str(tmp_path)}, module="shown", wait=False, log=log) as bot:
        assert await bot.process.wait() == 0
    assert str(tmp_path) in log.read_text()
