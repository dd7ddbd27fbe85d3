"""What the bot counts, and its figures, in the text format of Prometheus. No name, no identifier, no I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bot.health.facts import HealthFacts, ProblemKind
from bot.health.problem_rules import diagnose

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
STATES = ("pending", "sending", "sent", "dead")
WORD = re.compile(r"[a-z]{1,30}(_[a-z]{1,30}){0,4}")
LATENESS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0)  # seconds: the buckets
# What an account is in trouble with, by the kind of its problem. Kinds without a word are those of all accounts.
CAUSES = {
    **dict.fromkeys((ProblemKind.POLL_OVERDUE, ProblemKind.STARTING), "overdue"),
    **dict.fromkeys((ProblemKind.WECHAT_DOWN, ProblemKind.POLL_FAILED), "unreachable"),
    ProblemKind.WECHAT_CONFIG: "config",
    ProblemKind.WECHAT_QUOTA: "quota",
    **dict.fromkeys((ProblemKind.SLACK_BLOCKED, ProblemKind.SLACK_UNREACHABLE), "slack"),
    **dict.fromkeys((ProblemKind.ALERTS_OVERDUE, ProblemKind.ALERTS_HELD, ProblemKind.ALERTS_LOST), "messages"),
    **dict.fromkeys((ProblemKind.MESSAGES_STALE, ProblemKind.ROWS_FAILED), "messages"),
}
OTHER = "other"  # replaces a result that is not a plain word: labels must be few, and contain no name


@dataclass(frozen=True, slots=True)
class Figures:
    """The values of one moment. The store is one for all processes; what `Metrics` counts is one process's."""

    facts: HealthFacts
    messages: Mapping[str, int] | None  # by state; one that is missing has none. None: the store does not answer
    overdue: OverduePolls | None = None  # None: the store does not answer
    fleet: FleetFigures | None = None  # None for a single Official Account


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """The values of several Official Accounts, as of the last reading. The facts are those of the first."""

    accounts: Mapping[str, int]  # by state; empty before the first reading
    troubled: Sequence[Collection[ProblemKind]]  # of each account that has problems, these
    blocked_channels: int
    oldest_poll: datetime | None  # of the other accounts
    oldest_pending: datetime | None


@dataclass(frozen=True, slots=True)
class OverduePolls:
    """The polls that are due and that no process has claimed."""

    number: int = 0
    seconds: float = 0.0  # since the first of them was due


@dataclass(frozen=True, slots=True)
class _Counted:
    name: str
    labels: tuple[str, ...]
    help: str


RESULT = ("result",)
_COUNTED = {
    "poll": _Counted("wechat_kf_polls", RESULT, "Polls of the account list by this process."),
    "post": _Counted("wechat_kf_posts", RESULT, "Requests of this process to post a message to Slack."),
    "edit": _Counted("wechat_kf_edits", RESULT, "Requests of this process to edit a message in Slack."),
    "view": _Counted("wechat_kf_views", RESULT, "Requests of this process to show a modal or App Home in Slack."),
    "operation": _Counted("wechat_kf_operations", RESULT, "Operations on accounts, by kind and outcome."),
    "lookup": _Counted("wechat_kf_delivery_lookups", ("outcome",), "Lookups of messages with an unknown outcome."),
    "prune": _Counted("wechat_kf_prunings", RESULT, "Attempts of this process to delete old rows, once a day."),
    "renewal": _Counted(
        "wechat_kf_token_renewals", ("kind", "result"), "Renewals of the platform's tokens, and of its accounts'."
    ),
    "push": _Counted("wechat_kf_platform_pushes", ("kind", "result"), "Pushes to the third-party platform."),
}


class Metrics:
    """Counts from the start of the process. `count` fits `bot.ports.Counter`."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, ...]]] = {what: Counter() for what in _COUNTED}
        self._lateness = Counter[float]()  # polls by the smallest bound that they kept
        self._late_seconds = 0.0

    def count(self, what: str, *words: str) -> None:
        """Count what `_COUNTED` names, such as a "poll" or a "post", with its result, or with all its labels.

        Anything else is ignored: a metric must not stop the delivery that it counts.
        """
        if what in self._counts and len(words) == len(_COUNTED[what].labels):
            self._counts[what][tuple(word if WORD.fullmatch(word) else OTHER for word in words)] += 1

    def number(self, what: str, *words: str) -> int:
        """Return how often a step had a result."""
        return self._counts[what][words]

    def note_lateness(self, seconds: float) -> None:
        """Count a poll by how late it began."""
        self._lateness[next((bound for bound in LATENESS if seconds <= bound), inf)] += 1
        self._late_seconds += max(0.0, seconds)

    def render(self, figures: Figures) -> bytes:
        """Return the metrics in the text format of `CONTENT_TYPE`."""
        # A registry of its own each time: the library's global one would bring what others put there.
        registry = CollectorRegistry()
        registry.register(_Families([*self._counters(), self._histogram(), *_gauges(figures)]))
        return generate_latest(registry)

    def _counters(self) -> Iterator[Metric]:
        for what, counted in _COUNTED.items():
            family = CounterMetricFamily(counted.name, counted.help, labels=counted.labels)
            for words, number in sorted(self._counts[what].items()):
                family.add_metric(words, number)
            yield family

    def _histogram(self) -> Metric:
        bounds = (*LATENESS, inf)
        up_to = [sum(self._lateness[one] for one in bounds if one <= bound) for bound in bounds]
        names = [*map(str, LATENESS), "+Inf"]
        buckets = [*zip(names, up_to, strict=True)]
        help_ = "How late the polls of this process began."
        return HistogramMetricFamily("wechat_kf_poll_lateness_seconds", help_, buckets, self._late_seconds)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _is_source_down(figures: Figures) -> bool:
    down = [problem for problem in diagnose(figures.facts) if problem.kind is ProblemKind.WECHAT_DOWN]
    return any(problem.is_outage_of_all or not figures.fleet for problem in down)


def _gauges(figures: Figures) -> Iterator[Metric]:
    facts, fleet = figures.facts, figures.fleet
    problems = {problem.kind for problem in diagnose(facts)}.union(*(fleet.troubled if fleet else ()))
    up = figures.messages is not None and facts.store is None
    yield GaugeMetricFamily("wechat_kf_store_up", "Whether the store can be read and written (1) or not (0).", up)
    help_ = "Whether a kind of problem is there (1) or not (0)."
    yield _family("wechat_kf_problem", help_, "kind", {kind: kind in problems for kind in ProblemKind})
    ages = [facts.poll_age] if facts.poll_age is not None else []
    ages += [facts.now - fleet.oldest_poll] if fleet and fleet.oldest_poll else []
    if ages:
        help_ = "Since the last good read of WeChat; before the first one, since the start. Of several, the oldest."
        yield GaugeMetricFamily("wechat_kf_last_successful_poll_age_seconds", help_, max(ages).total_seconds())
    if facts.platform and facts.platform.ticket_at:
        help_ = "Since the last ticket of the third-party platform arrived."
        age = max(0.0, (facts.now - facts.platform.ticket_at).total_seconds())
        yield GaugeMetricFamily("wechat_kf_platform_ticket_age_seconds", help_, age)
    if overdue := figures.overdue:
        help_ = "Polls that are due and that no process has begun."
        yield GaugeMetricFamily("wechat_kf_overdue_polls", help_, overdue.number)
        help_ = "Since the first of these was due; 0 without one."
        yield GaugeMetricFamily("wechat_kf_oldest_overdue_seconds", help_, overdue.seconds)
    if fleet:
        yield from _fleet_gauges(fleet)
    if figures.messages is None:
        return
    help_ = "Whether WeChat answers (1) or not (0): the only Official Account, or any of several."
    yield GaugeMetricFamily("wechat_kf_source_up", help_, not _is_source_down(figures))
    states = {state: figures.messages.get(state, 0) for state in STATES}
    yield _family("wechat_kf_messages", "Messages in the store by state.", "state", states)
    # Never negative: the moment may be another process's, whose clock is ahead.
    pending = [one for one in (facts.oldest_pending, fleet and fleet.oldest_pending) if one]
    waited = max([0.0, *((facts.now - since).total_seconds() for since in pending)])
    help_ = "Since the oldest message that is not sent was written down; 0 when none waits."
    yield GaugeMetricFamily("wechat_kf_oldest_unsent_age_seconds", help_, waited)
    help_ = "Whether Slack refuses the channel or the token, so that every message waits (1) or not (0)."
    yield GaugeMetricFamily("wechat_kf_queue_blocked", help_, ProblemKind.SLACK_BLOCKED in problems)


def _fleet_gauges(fleet: FleetFigures) -> Iterator[Metric]:
    if fleet.accounts:
        help_ = "Official Accounts in the store by state."
        yield _family("wechat_kf_accounts", help_, "state", fleet.accounts)
    causes = [{CAUSES[kind] for kind in kinds if kind in CAUSES} for kinds in fleet.troubled]
    numbers = {cause: sum(cause in each for each in causes) for cause in dict.fromkeys(CAUSES.values())}
    help_ = "Official Accounts in trouble by its cause; one that has several is counted for each."
    yield _family("wechat_kf_accounts_in_trouble", help_, "cause", numbers)
    help_ = "Channels that Slack refuses, so that their messages wait."
    yield GaugeMetricFamily("wechat_kf_channels_blocked", help_, fleet.blocked_channels)


def _family(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for word, number in values.items():
        family.add_metric([word], number)
    return family
