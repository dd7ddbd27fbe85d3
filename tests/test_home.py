"""When App Home is published: at an opening, at clicks, after changes; with WeChat, Slack and the store failing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from bot.actions import ChooseLanguage, HomeList, decode
from bot.interactions.access import AccessPolicy
from bot.interactions.account_reader import AccountReader
from bot.interactions.home import CHANGE_GAP, HomePublisher
from bot.interactions.home_sender import DISABLED_SECONDS
from bot.interactions.invitation_reader import InvitationReader
from bot.interactions.language_choices import LanguageChoices
from bot.interactions.open_homes import MOST_PEOPLE, OPEN_SECONDS
from bot.interactions.readers import Readers
from bot.interactions.status_reporter import StatusReporter
from bot.language import Language
from bot.operations.operation import Availability
from bot.ports import (
    BlockAction,
    ClickedView,
    HomeOpened,
    Members,
    Message,
    Reader,
    ShownView,
    UnknownMembersError,
    View,
    ViewRefused,
)
from bot.runtime.tasks import BackgroundTasks
from bot.settings.values import Settings
from bot.status import OperationsStatus, Status
from bot.store.database import Store
from bot.view_metadata import decode_home, encode_home
from tests.bots import Bot, rejected
from tests.conftest import APPID, NOW, VirtualClock
from tests.fakes import FakeAccounts
from tests.home_boards import STATUS
from tests.running import until
from tests.samples import CONTEXT, FORTY, crowd, shown
from wechat_kf import KfList

CHINESE_DUE = "40 个账号中有 5 个需要处理"
READING = "Reading from WeChat…"
DUE, CALM, DOWN = "5 of 40 accounts need attention", "Nothing needs attention", "⚠️ WeChat does not answer"
REFUSED, UNKNOWN = "This board is not open to everybody here", "⚠️ Slack does not say who may use /kf"


@dataclass(frozen=True, slots=True)
class Published:
    user_id: str
    view: View
    version: str  # that it replaces
    at: float

    @property
    def texts(self) -> list[str]:
        return shown(Message("", self.view["blocks"]))

    @property
    def title(self) -> str:
        return self.texts[0]

    @property
    def listed(self) -> HomeList:
        return decode_home(self.view["private_metadata"])


class VirtualTime:
    """Seconds that pass when a test lets them; sleepers wake then."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def elapsed(self) -> float:
        return (self.clock.now - NOW).total_seconds()

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self.elapsed() + seconds, woken))
        await woken.wait()

    async def forward(self, seconds: float) -> None:
        """Let time pass, sleeper by sleeper."""
        end = self.elapsed() + seconds
        while due := [one for one in self._sleepers if one[0] <= end]:
            first = min(due, key=lambda one: one[0])
            self._sleepers.remove(first)
            self.clock.now = max(self.clock.now, NOW + timedelta(seconds=first[0]))
            first[1].set()
            await settled()
        self.clock.now = NOW + timedelta(seconds=end)
        await settled()


async def settled() -> None:
    """Let every task run until it waits for something outside the loop."""
    for _ in range(60):
        await asyncio.sleep(0)


class SlowAccounts(FakeAccounts):
    """WeChat, which answers when it may."""

    def __init__(self) -> None:
        super().__init__(FORTY)
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def kf_list(self, *, within: float = 10, attempts: int = 3) -> KfList:
        listed = await super().kf_list(within=within, attempts=attempts)
        await self.may_answer.wait()
        return listed


class Place:
    """A publisher between WeChat, Slack and a status that a test sets."""

    def __init__(self, clock: VirtualClock, *, viewers: tuple[str, ...] = (), store: Store | None = None) -> None:
        self.time = VirtualTime(clock)
        self.wechat = SlowAccounts()
        self.published: list[Published] = []
        self.outcomes: list[ViewRefused] = []  # of the next publishes, in place of success
        self.may_publish = asyncio.Event()
        self.may_publish.set()
        self.members: Members | None = frozenset()  # of each group; None: Slack does not answer
        self.may_name_members = asyncio.Event()
        self.may_name_members.set()
        self.operators: set[str] = set()
        self.locales: dict[str, str] = {}
        self.status = STATUS
        self.may_report = asyncio.Event()
        self.may_report.set()
        self.tasks = BackgroundTasks()
        settings = Settings(APPID, "secret", "xoxb-token", slack_alert_channel="C0CARE")
        self.reporter = StatusReporter(store, settings, lambda: None, clock)
        owned = InvitationReader(store).owned
        self.accounts = AccountReader(
            self.wechat, now=clock, policy=CONTEXT.policy, owned=owned, elapsed=self.time.elapsed
        )
        self.choices = LanguageChoices(store, self.tasks, self.time.elapsed)
        self.home = HomePublisher(
            self,
            self.accounts,
            status=self.reporter.status if store else self.report,
            access=AccessPolicy(viewers, self.name_members, elapsed=self.time.elapsed),
            may_operate=self.may_operate,
            readers=Readers(self.person, self.tasks, self.time.elapsed, choices=self.choices),
            choices=self.choices,
            tasks=self.tasks,
            context=CONTEXT,
            clock=clock,
            elapsed=self.time.elapsed,
            sleep=self.time.sleep,
        )

    async def publish(self, user_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused:
        await self.may_publish.wait()
        if self.outcomes:
            return self.outcomes.pop(0)
        self.published.append(Published(user_id, view, version, self.time.elapsed()))
        return ShownView("V0HOME", f"hash {len(self.published)}")

    async def name_members(self, group: str) -> Members:
        await self.may_name_members.wait()
        if self.members is None:
            raise UnknownMembersError("internal_error")
        return self.members

    async def may_operate(self, user_id: str) -> bool | None:
        return user_id in self.operators

    async def person(self, user_id: str) -> Reader:
        return Reader(self.locales.get(user_id, "en-US"))

    async def report(self) -> Status:
        await self.may_report.wait()
        return self.status

    async def opens(self, user_id: str = "U0LIN", **event: object) -> None:
        """Open Home as a person, and let the publisher get as far as it can."""
        self.tasks.start(self.home.opened(HomeOpened(user_id, **event)))
        await settled()

    async def clicks(
        self, action_id: str, value: str = "v1", user_id: str = "U0LIN", listed: HomeList | None = None
    ) -> None:
        """Click in the newest board, or in one with this list."""
        shown_list = listed or next(
            (one.listed for one in reversed(self.published) if one.user_id == user_id), HomeList()
        )
        view = ClickedView("V0HOME", "", is_home=True, private_metadata=encode_home(shown_list))
        click = BlockAction(action_id, value, user_id, view=view)
        action = decode(action_id, value)
        assert isinstance(action, HomeList | ChooseLanguage)
        self.tasks.start(self.home.clicked(click, action))
        await settled()

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.published]

    def to(self, user_id: str) -> list[str]:
        return [one.title for one in self.published if one.user_id == user_id]


@pytest.fixture
async def place(clock: VirtualClock) -> AsyncIterator[Place]:
    made = Place(clock)
    yield made
    await made.tasks.drain(1)


@pytest.fixture
async def guarded(clock: VirtualClock) -> AsyncIterator[Place]:
    """Return a place that only members of a group may read."""
    made = Place(clock, viewers=("S0CARE",))
    yield made
    await made.tasks.drain(1)


# An opening


async def test_first_opening_shows_that_wechat_is_read_and_then_the_board(place):
    place.wechat.may_answer.clear()
    await place.opens()
    assert place.titles == [READING]
    await place.time.forward(9)
    place.wechat.may_answer.set()
    await settled()
    assert place.titles == [READING, DUE]
    assert [one.version for one in place.published] == ["", "hash 1"]


async def test_person_who_has_a_view_keeps_it_until_the_next(place):
    place.wechat.may_answer.clear()
    await place.opens(has_view=True)
    assert place.titles == []
    place.wechat.may_answer.set()
    await settled()
    assert place.titles == [DUE]


async def test_read_of_the_last_ten_minutes_is_shown_before_wechat_answers(place):
    await place.opens(has_view=True)
    await place.time.forward(600)
    place.wechat.may_answer.clear()
    place.wechat.listed = crowd(20)
    await place.opens(has_view=True)
    assert place.titles == [DUE, DUE]
    assert "Read from WeChat <!date^1795396320^{time}|01:12 UTC>" in place.published[1].texts
    place.wechat.may_answer.set()
    await settled()
    assert [one.version for one in place.published] == ["", "", "hash 2"]
    assert place.titles[2] == CALM


async def test_older_read_is_not_shown_without_a_word(place):
    await place.opens(has_view=True)
    await place.time.forward(601)
    place.wechat.may_answer.clear()
    await place.opens()
    assert place.titles == [DUE, READING]


async def test_answer_that_is_quicker_than_the_first_publish_is_the_only_one(place):
    await place.opens(has_view=True)
    await place.opens("U0MEI", has_view=True)
    assert place.titles == [DUE, DUE]


async def test_ten_people_at_once_share_one_read(place):
    place.wechat.may_answer.clear()
    for number in range(10):
        await place.opens(f"U{number}")
    place.wechat.may_answer.set()
    await settled()
    assert len(place.wechat.reads) == 1
    assert place.titles.count(DUE) == 10


async def test_opening_shows_the_list_of_the_board_before(place):
    await place.opens(has_view=True, private_metadata=encode_home(HomeList("all", 2)))
    assert place.published[0].listed == HomeList("all", 2)


async def test_hanging_status_leaves_the_first_view_of_a_new_person_to_reading(place):
    await place.accounts.read()
    place.may_report.clear()
    await place.time.forward(6)
    place.wechat.may_answer.clear()
    await place.opens()
    assert place.titles == []
    await place.time.forward(0.2)
    assert place.titles == [READING]
    place.may_report.set()
    place.wechat.may_answer.set()
    await settled()
    assert place.titles == [READING, DUE]


async def test_last_status_stands_in_for_one_that_is_late(place):
    await place.opens(has_view=True)
    place.may_report.clear()
    place.wechat.may_answer.clear()
    await place.time.forward(6)
    await place.opens(has_view=True)
    await place.time.forward(0.2)
    assert place.titles == [DUE, DUE]
    place.may_report.set()
    place.wechat.may_answer.set()


# Permission


async def test_person_without_permission_never_receives_a_name(guarded):
    await guarded.accounts.read()
    await guarded.opens()
    assert guarded.titles == [REFUSED]
    assert "Chen" not in str(guarded.published[0].view)


async def test_member_of_a_group_sees_the_board_at_once_when_the_group_is_known(guarded):
    guarded.members = frozenset({"U0LIN"})
    await guarded.opens(has_view=True)
    await guarded.opens()
    assert guarded.titles == [DUE, DUE]


async def test_only_reading_is_shown_until_the_permission_is_known(guarded):
    await guarded.accounts.read()
    guarded.may_name_members.clear()
    await guarded.opens()
    await guarded.time.forward(0.5)
    assert guarded.titles == [READING]
    guarded.members = frozenset({"U0LIN"})
    guarded.may_name_members.set()
    await settled()
    assert guarded.titles == [READING, DUE]


async def test_permission_that_slack_does_not_tell_within_a_second_can_be_tried_again(guarded):
    guarded.may_name_members.clear()
    await guarded.opens()
    await guarded.time.forward(0.9)
    assert guarded.titles == [READING]
    await guarded.time.forward(0.2)
    assert guarded.titles == [READING, UNKNOWN]
    guarded.members = frozenset({"U0LIN"})
    guarded.may_name_members.set()
    await settled()
    await guarded.clicks("home.refresh")
    assert guarded.titles == [READING, UNKNOWN, DUE]


async def test_person_who_left_the_group_is_refused_at_the_next_opening(guarded):
    guarded.members = frozenset({"U0LIN"})
    await guarded.opens(has_view=True)
    guarded.members = frozenset()
    await guarded.time.forward(301)
    await guarded.opens(has_view=True)
    assert guarded.titles == [DUE, REFUSED]


@pytest.mark.parametrize("members", [frozenset(), None])
async def test_operator_may_read_though_no_viewer(guarded, members):
    guarded.members = members
    guarded.operators = {"U0LIN"}
    guarded.status = replace(STATUS, operations=OperationsStatus(Availability.ON, ("U0LIN",)))
    await guarded.opens(has_view=True)
    assert guarded.titles == [DUE]
    assert "Add an account" in guarded.published[0].texts


async def test_viewer_gets_no_button_of_operators(place):
    await place.opens(has_view=True)
    assert "Add an account" not in place.published[0].texts


# Clicks


async def test_filter_and_page_survive_a_refresh(place):
    await place.opens(has_view=True)
    await place.clicks("home.filter", "v1:list:1:all")
    await place.clicks("home.page.next", "v1:list:2:all")
    await place.clicks("home.refresh")
    assert [one.listed for one in place.published] == [
        HomeList(),
        HomeList("all", 1),
        HomeList("all", 2),
        HomeList("all", 2),
    ]


async def test_click_shows_the_requested_list_of_the_last_read_before_wechat_answers(place):
    await place.opens(has_view=True)
    await place.time.forward(10)
    place.wechat.may_answer.clear()
    await place.clicks("home.filter", "v1:list:1:rejected")
    assert place.titles == [DUE, "2 accounts are rejected"]
    place.wechat.may_answer.set()
    await settled()
    assert place.published[-1].version == "hash 2"


# WeChat fails


async def test_failure_shows_the_last_read_with_the_reason(place):
    await place.opens(has_view=True)
    place.wechat.go_down()
    await place.time.forward(1200)
    await place.opens(has_view=True)
    assert place.titles == [DUE, DOWN]
    texts = place.published[1].texts
    assert "<!date^1795396320^" in texts[2]
    assert "Try again" in texts
    assert any(text.startswith("⛔ *Chen*") for text in texts)


async def test_failure_without_any_read_shows_the_reason(place):
    place.wechat.go_down()
    await place.opens()
    assert place.titles == [READING, DOWN]


async def test_deadline_that_passed_since_the_last_read_is_expired(place):
    await place.opens(has_view=True)
    place.wechat.go_down()
    await place.time.forward(3600)
    await place.opens(has_view=True)
    assert any(text.startswith("⌛ *小波* · expired") for text in place.published[-1].texts)


async def test_account_that_cannot_be_shown_does_not_stop_the_board(place, monkeypatch, caplog):
    from bot.blocks.answers import account_rows

    facts = account_rows.facts

    def faulty(row, context):
        if row.account.kf_nick == "Chen":
            raise ZeroDivisionError("a bug")
        return facts(row, context)

    await place.accounts.read()
    monkeypatch.setattr(account_rows, "facts", faulty)
    await place.opens(has_view=True)
    assert place.titles == [DUE]
    assert any("chen@harbour_tea · the log has the reason" in text for text in place.published[0].texts)
    assert "account cannot be shown" in caplog.text


# Slack fails


async def test_newer_view_of_another_process_stays(place):
    place.wechat.may_answer.clear()
    await place.opens()
    place.outcomes = [ViewRefused("hash_conflict")]
    place.wechat.may_answer.set()
    await settled()
    assert (place.titles, place.outcomes) == ([READING], [])
    place.home.changed()
    await place.time.forward(CHANGE_GAP)
    assert place.titles == [READING]


async def test_rate_limit_is_waited_for_once(place):
    place.outcomes = [ViewRefused("ratelimited", 30), ViewRefused("ratelimited", 30)]
    await place.opens(has_view=True)
    await place.time.forward(29)
    assert len(place.outcomes) == 1
    await place.time.forward(1)
    assert (place.titles, place.outcomes) == ([], [])
    place.outcomes = [ViewRefused("ratelimited", 30)]
    await place.opens(has_view=True)
    await place.time.forward(30)
    assert place.titles == [DUE]


async def test_home_that_is_switched_off_is_logged_once_and_not_tried_for_an_hour(place, caplog):
    place.outcomes = [ViewRefused("not_enabled")] * 3
    for _ in range(4):
        await place.opens(has_view=True)
    assert len(place.outcomes) == 2
    await place.time.forward(DISABLED_SECONDS)
    await place.opens(has_view=True)
    assert len(place.outcomes) == 1
    place.outcomes = []
    await place.time.forward(DISABLED_SECONDS)
    await place.opens(has_view=True)
    assert place.titles == [DUE]
    assert caplog.text.count("App Home is switched off") == 1


# One publish at a time


async def test_second_request_waits_and_the_third_replaces_it(place):
    place.may_publish.clear()
    await place.opens(has_view=True)
    await place.clicks("home.filter", "v1:list:1:rejected")
    await place.clicks("home.filter", "v1:list:1:bound")
    place.may_publish.set()
    await settled()
    assert [one.listed.filter for one in place.published] == ["due", "bound"]


async def test_change_does_not_replace_the_waiting_click(place):
    await place.opens(has_view=True)
    await place.time.forward(20)
    place.may_publish.clear()
    await place.opens(has_view=True)
    await place.clicks("home.filter", "v1:list:1:bound")
    place.home.changed()
    await settled()
    place.may_publish.set()
    await settled()
    assert [(one.listed.filter, one.version) for one in place.published[-2:]] == [("due", ""), ("bound", "")]


async def test_people_do_not_wait_for_each_other(place):
    place.outcomes = [ViewRefused("ratelimited", 30)]
    await place.opens(has_view=True)
    await place.opens("U0MEI", has_view=True)
    assert place.to("U0MEI") == [DUE]


async def test_failure_of_one_request_leaves_the_next_its_turn(place, caplog):
    place.may_report.clear()
    place.status = None  # cannot be rendered
    await place.opens(has_view=True)
    place.may_report.set()
    await settled()
    assert (place.titles, "App Home could not be rendered" in caplog.text) == ([], True)
    place.status = STATUS
    await place.opens(has_view=True)
    assert place.titles == [DUE]


# Changes


async def test_change_is_shown_with_a_new_read_ten_seconds_after_the_last_publish(place):
    await place.opens(has_view=True)
    await place.time.forward(CHANGE_GAP - 1)
    await place.accounts.read()  # for another person: good for five seconds
    place.wechat.listed = crowd(20)
    place.home.changed()
    place.home.changed()
    await place.time.forward(0.5)
    assert place.titles == [DUE]
    await place.time.forward(0.5)
    assert place.titles == [DUE, CALM]
    assert place.published[1].version == "hash 1"


async def test_change_after_a_while_is_shown_at_once_and_keeps_the_list(place):
    await place.opens(has_view=True)
    await place.clicks("home.filter", "v1:list:1:bound")
    await place.time.forward(60)
    place.home.changed()
    await settled()
    assert [one.listed.filter for one in place.published] == ["due", "bound", "bound"]


async def test_board_follows_changes_for_ten_minutes_after_the_last_click(place):
    await place.opens(has_view=True)
    await place.time.forward(OPEN_SECONDS - 1)
    await place.clicks("home.refresh")
    number = len(place.published)
    await place.time.forward(OPEN_SECONDS - 1)
    place.home.changed()
    await settled()
    assert len(place.published) == number + 1
    await place.time.forward(1)
    place.home.changed()
    await place.time.forward(CHANGE_GAP)
    assert len(place.published) == number + 1


async def test_change_without_an_open_board_asks_for_nothing(place):
    place.home.changed()
    await settled()
    assert (place.published, place.wechat.reads) == ([], [])


async def test_twenty_people_who_opened_it_last_follow_changes_and_share_a_read(place):
    for number in range(MOST_PEOPLE + 5):
        await place.opens(f"U{number:02}", has_view=True)
    await place.time.forward(60)
    place.published.clear()
    reads = len(place.wechat.reads)
    place.home.changed()
    await settled()
    assert sorted(one.user_id for one in place.published) == [f"U{number:02}" for number in range(5, 25)]
    assert len(place.wechat.reads) == reads + 1


async def test_person_who_lost_the_permission_is_refused_at_the_next_change(guarded):
    guarded.members = frozenset({"U0LIN"})
    await guarded.opens(has_view=True)
    guarded.members = frozenset()
    await guarded.time.forward(301)
    guarded.home.changed()
    await settled()
    assert guarded.titles == [DUE, REFUSED]


async def test_shutdown_does_not_wait_for_a_change_to_be_shown(place):
    await place.opens(has_view=True)
    place.home.changed()
    await place.tasks.drain(1)
    assert place.titles == [DUE]


# Language


async def test_board_is_in_the_language_of_slack(place):
    place.locales["U0LIN"] = "zh-CN"
    await place.opens(has_view=True)
    assert place.titles == [CHINESE_DUE]


async def test_without_a_store_no_language_can_be_chosen(place):
    await place.opens(has_view=True)
    assert "Language" not in place.published[0].texts


# With a store


@pytest.fixture
async def stored(store: Store, clock: VirtualClock) -> AsyncIterator[Place]:
    made = Place(clock, store=store)
    yield made
    await made.tasks.drain(5)


async def shows(place: Place, title: str) -> None:
    """Wait until the newest board has this title."""
    await until(lambda: place.titles[-1:] == [title])


@pytest.mark.story
async def test_owner_of_an_invitation_is_shown_and_is_a_filter(stored, store, clock):
    bot = Bot(store, clock)
    await bot.reads(rejected("bo"))
    await bot.clicks("alert.ack", f"v1:{await bot.episode_id()}", "Lin")
    stored.wechat.listed = [rejected("bo")]
    await stored.opens(has_view=True, private_metadata=encode_home(HomeList("mine")))
    await shows(stored, "In your hands (1)")
    assert any("👤\u00a0acknowledged by <@U0LIN>" in text for text in stored.published[0].texts)


@pytest.mark.both_stores
async def test_choice_of_a_language_is_kept_until_it_is_cleared(stored):
    await stored.opens(has_view=True)
    for choice, title in [("zh", CHINESE_DUE), ("en", DUE), ("zh", CHINESE_DUE), ("auto", DUE)]:
        await stored.clicks("home.language", f"v1:{choice}", listed=HomeList("due"))
        await shows(stored, title)
        menu = next(
            part
            for block in stored.published[-1].view["blocks"]
            for part in block.get("elements", ())
            if part.get("action_id") == "home.language"
        )
        assert menu["initial_option"]["value"] == f"v1:{choice}"


@pytest.mark.story
async def test_choice_survives_a_restart(stored, store, clock):
    await stored.choices.choose("U0LIN", Language.CHINESE)
    later = Place(clock, store=store)
    await later.opens(has_view=True)
    await shows(later, CHINESE_DUE)
    await later.tasks.drain(5)


async def test_board_of_an_unreachable_store_has_no_owners_and_says_so(tmp_path, clock):
    store = Store.from_url(f"sqlite:///{tmp_path / 'missing' / 'kf.db'}", APPID, clock=clock)
    place = Place(clock, store=store)
    await place.opens(has_view=True)
    await shows(place, DUE)
    assert any(text.startswith("*The bot* · ⚠️ ") for text in place.published[0].texts)
    await place.clicks("home.language", "v1:zh")
    await until(lambda: len(place.published) > 1)
    assert set(place.titles) == {DUE}
    await place.tasks.drain(5)
    await store.close()
