"""The metrics: what is counted, what the store's figures become, and how they are served."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from bot.alerting.circuit_breaker import CircuitBreaker
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.demo.process import free_port
from bot.health.facts import HealthFacts, ProblemKind, SlackTrouble, StoreTrouble
from bot.ports import Counter
from bot.runtime.metrics import CONTENT_TYPE, Figures, FleetFigures, Metrics, OverduePolls
from bot.web.guard import SLACK_PATH
from bot.web.server import Readiness, Server, make_web_app
from tests.conftest import NOW

EMPTY = Figures(HealthFacts(NOW), messages={}, overdue=OverduePolls())
AWAY = Figures(HealthFacts(NOW), messages=None)


def figures_with(**facts: object) -> Figures:
    return replace(EMPTY, facts=HealthFacts(NOW, **facts))


def samples(metrics: Metrics, figures: Figures = EMPTY) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the samples as another program parses them."""
    text = metrics.render(figures).decode()
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}


def value(name: str, metrics: Metrics, figures: Figures = EMPTY, **labels: str) -> float | None:
    return samples(metrics, figures).get((name, frozenset(labels.items())))


@pytest.mark.parametrize(
    ("what", "name", "label"),
    [
        ("poll", "wechat_kf_polls_total", "result"),
        ("post", "wechat_kf_posts_total", "result"),
        ("edit", "wechat_kf_edits_total", "result"),
        ("view", "wechat_kf_views_total", "result"),
        ("operation", "wechat_kf_operations_total", "result"),
        ("lookup", "wechat_kf_delivery_lookups_total", "outcome"),
        ("prune", "wechat_kf_prunings_total", "result"),
    ],
)
def test_events_are_counted_by_their_result(what, name, label):
    metrics = Metrics()
    count: Counter = metrics.count
    for result in ("sent", "sent", "not_found"):
        count(what, result)
    assert value(name, metrics, **{label: "sent"}) == 2
    assert value(name, metrics, **{label: "not_found"}) == 1
    assert sum(key[0].endswith("_total") for key in samples(metrics)) == 2


def test_pushes_are_counted_by_kind_and_result():
    metrics = Metrics()
    for result in ("taken", "taken", "old"):
        metrics.count("push", "authorized", result)
    assert value("wechat_kf_platform_pushes_total", metrics, kind="authorized", result="taken") == 2
    assert metrics.number("push", "authorized", "old") == 1


def test_undefined_metric_is_ignored():
    metrics = Metrics()
    metrics.count("guess", "sent")
    metrics.count("push", "taken")
    metrics.count("poll", "ok", "ok")
    assert samples(metrics) == samples(Metrics())


@pytest.mark.parametrize(
    "result", ["", "Sent", "小波", "anna@harbour_tea", "sent 5", "sent\n", "x" * 31, "a_" * 9 + "a"]
)
def test_result_that_is_not_a_plain_word_is_not_exported(result):
    metrics = Metrics()
    metrics.count("post", result)
    assert value("wechat_kf_posts_total", metrics, result="other") == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["poll", "post", "edit", "view", "operation", "lookup", "prune"]), st.text())
    )
)
def test_every_count_is_exported(happened):
    metrics = Metrics()
    for what, result in happened:
        metrics.count(what, result)
    counted = [number for (name, _), number in samples(metrics).items() if name.endswith("_total")]
    assert sum(counted) == len(happened)


def test_metrics_of_two_bots_count_separately():
    one, other = Metrics(), Metrics()
    one.count("poll", "ok")
    assert value("wechat_kf_polls_total", other, result="ok") is None
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("wechat_kf")]
    assert {name.partition("wechat_kf_")[0] for name, _ in samples(one)} == {""}


def test_unavailable_store_keeps_the_counters_and_is_reported():
    metrics = Metrics()
    metrics.count("poll", "failed")
    left_out = ("wechat_kf_problem", "wechat_kf_poll_lateness")
    exported = {key: number for key, number in samples(metrics, AWAY).items() if not key[0].startswith(left_out)}
    assert exported == {
        ("wechat_kf_polls_total", frozenset({("result", "failed")})): 1,
        ("wechat_kf_store_up", frozenset()): 0,
    }


def test_read_only_store_is_not_up():
    trouble = StoreTrouble(ProblemKind.STORE_READ_ONLY, "permission denied", NOW)
    assert value("wechat_kf_store_up", Metrics(), figures_with(store=trouble)) == 0


def test_source_is_down_while_wechat_answers_no_account():
    def is_up(fleet: FleetFigures | None = None, **facts) -> bool:
        return bool(value("wechat_kf_source_up", Metrics(), replace(figures_with(**facts), fleet=fleet)))

    several = FleetFigures({}, [{ProblemKind.WECHAT_DOWN}], 0, None, None)
    down = Incident("source_down-1", Cause.SOURCE_DOWN, NOW, ErrorDetails("TransportError"))
    of_all = CircuitBreaker(since=NOW, probe_at=NOW, incident=down)
    assert is_up()
    assert not is_up(incident=down)
    assert is_up(several, incident=down)
    assert not is_up(several, breaker=of_all)
    assert is_up(several, breaker=CircuitBreaker(incident=replace(down, resolved_at=NOW)))


def test_every_kind_of_problem_is_a_gauge_of_one_while_it_lasts():
    figures = figures_with(polled_at=NOW, overdue=2)
    exported = {kind: value("wechat_kf_problem", Metrics(), figures, kind=kind) for kind in ProblemKind}
    assert {kind for kind, number in exported.items() if number} == {ProblemKind.ALERTS_OVERDUE}
    assert set(exported.values()) == {0, 1}


def test_age_before_the_first_poll_counts_from_the_start():
    figures = figures_with(started_at=NOW - timedelta(hours=2))
    assert value("wechat_kf_last_successful_poll_age_seconds", Metrics(), figures) == 7200
    assert value("wechat_kf_last_successful_poll_age_seconds", Metrics(), replace(figures, messages=None)) == 7200


def test_empty_store_has_zero_pending_messages():
    assert value("wechat_kf_oldest_unsent_age_seconds", Metrics()) == 0
    assert value("wechat_kf_store_up", Metrics()) == 1


def test_ages_are_in_seconds():
    figures = figures_with(polled_at=NOW - timedelta(minutes=5), oldest_pending=NOW - timedelta(seconds=1.5))
    assert value("wechat_kf_last_successful_poll_age_seconds", Metrics(), figures) == 300
    assert value("wechat_kf_oldest_unsent_age_seconds", Metrics(), figures) == 1.5


def test_ages_are_not_negative_when_the_clock_of_another_process_is_ahead():
    ahead = NOW + timedelta(seconds=9)
    figures = figures_with(polled_at=ahead, oldest_pending=ahead)
    assert value("wechat_kf_last_successful_poll_age_seconds", Metrics(), figures) == 0
    assert value("wechat_kf_oldest_unsent_age_seconds", Metrics(), figures) == 0


def test_messages_are_counted_in_every_state():
    figures = replace(EMPTY, messages={"pending": 3, "dead": 1, "anna@harbour_tea": 7})
    exported = {
        dict(labels)["state"]: number
        for (name, labels), number in samples(Metrics(), figures).items()
        if name == "wechat_kf_messages"
    }
    assert exported == {"pending": 3, "sending": 0, "sent": 0, "dead": 1}


def test_lateness_of_polls_is_a_histogram():
    metrics = Metrics()
    for seconds in (-0.1, 0.4, 1.0, 14.0, 1000.0):
        metrics.note_lateness(seconds)
    name = "wechat_kf_poll_lateness_seconds"
    bounds = ("1.0", "5.0", "15.0", "60.0", "300.0", "900.0", "+Inf")
    assert [value(f"{name}_bucket", metrics, le=bound) for bound in bounds] == [3, 3, 4, 4, 4, 4, 5]
    assert (value(f"{name}_count", metrics), value(f"{name}_sum", metrics)) == (5, 1015.4)


def test_overdue_polls_are_counted_from_the_store():
    figures = replace(EMPTY, overdue=OverduePolls(7, 61.5))
    assert value("wechat_kf_overdue_polls", Metrics(), figures) == 7
    assert value("wechat_kf_oldest_overdue_seconds", Metrics(), figures) == 61.5


@pytest.mark.parametrize("held", [True, False])
def test_blocked_queue_is_one_and_a_free_one_zero(held):
    slack = SlackTrouble("is_archived", NOW, refused=True) if held else None
    assert value("wechat_kf_queue_blocked", Metrics(), figures_with(slack=slack, pending=1)) == int(held)


def test_every_metric_explains_itself_and_has_its_type():
    figures = figures_with(polled_at=NOW)
    families = list(text_string_to_metric_families(Metrics().render(figures).decode()))
    assert {family.name: family.type for family in families} == {
        "wechat_kf_polls": "counter",
        "wechat_kf_posts": "counter",
        "wechat_kf_edits": "counter",
        "wechat_kf_views": "counter",
        "wechat_kf_token_renewals": "counter",
        "wechat_kf_operations": "counter",
        "wechat_kf_delivery_lookups": "counter",
        "wechat_kf_prunings": "counter",
        "wechat_kf_platform_pushes": "counter",
        "wechat_kf_poll_lateness_seconds": "histogram",
        "wechat_kf_overdue_polls": "gauge",
        "wechat_kf_oldest_overdue_seconds": "gauge",
        "wechat_kf_store_up": "gauge",
        "wechat_kf_problem": "gauge",
        "wechat_kf_source_up": "gauge",
        "wechat_kf_last_successful_poll_age_seconds": "gauge",
        "wechat_kf_messages": "gauge",
        "wechat_kf_oldest_unsent_age_seconds": "gauge",
        "wechat_kf_queue_blocked": "gauge",
    }
    assert all(family.documentation.endswith(".") for family in families)


# Over HTTP


async def ready() -> Readiness:
    return Readiness()


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    server, port = Server(app), free_port()
    await server.listen("127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop_accepting()
        await server.close()


async def get(url: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_metrics_are_served_in_the_text_format_beside_health():
    metrics = Metrics()
    metrics.count("poll", "ok")

    async def exposition() -> bytes:
        return metrics.render(AWAY)

    async with served(make_web_app(ready, metrics=exposition)) as url:
        assert await get(f"{url}/metrics") == (200, CONTENT_TYPE, metrics.render(AWAY).decode())
        assert (await get(f"{url}/healthz"))[0] == (await get(f"{url}/readyz"))[0] == 200
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"


async def test_metrics_need_no_signature_beside_bolt():
    async def exposition() -> bytes:
        return b"fresh\n"

    async def bolt(text: str, headers: Mapping[str, str]) -> tuple[int, str]:
        raise AssertionError("nothing that is not signed gets so far")

    async with served(make_web_app(ready, bolt, exposition, signing_secret="stand-in")) as url:
        assert (await get(f"{url}/metrics"))[0] == 200
        async with aiohttp.ClientSession() as session, session.post(f"{url}{SLACK_PATH}") as answer:
            assert answer.status == 401


async def test_metrics_page_is_missing_without_the_setting():
    async with served(make_web_app(ready)) as url:
        assert (await get(f"{url}/metrics"))[0] == 404
        assert (await get(f"{url}/healthz"))[0] == 200
