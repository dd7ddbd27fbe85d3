"""The limit checker: exactly at a limit passes, one more is named with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.demo import blockkit
from tests.for_each import for_each


def plain(text: str = "x") -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def mrkdwn(text: str = "x") -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def option(text: str = "x", value: str = "v", **more: Any) -> dict[str, Any]:
    return {"text": plain(text), "value": value, **more}


def options(count: int) -> list[dict[str, Any]]:
    return [option(value=str(number)) for number in range(count)]


def button(**more: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain(), "action_id": "a", **more}


def select(**more: Any) -> dict[str, Any]:
    return {"type": "static_select", "action_id": "a", "options": options(2), **more}


def confirm(**more: Any) -> dict[str, Any]:
    parts = {"title": plain(), "text": mrkdwn(), "confirm": plain(), "deny": plain()}
    return {**parts, **more}


def section(**more: Any) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn(), **more}


def actions(*elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements), **more}


def context(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "context", "elements": list(elements)}


def image(**more: Any) -> dict[str, Any]:
    return {"type": "image", "image_url": "https://example.com/x.png", "alt_text": "x", **more}


def refusals(*blocks: dict[str, Any]) -> list[str]:
    return blockkit.refusals({"text": "x", "blocks": list(blocks)})


def problems(text: Any = "x", *blocks: dict[str, Any], **more: Any) -> list[str]:
    return blockkit.problems({"text": text, "blocks": list(blocks), **more})


# The path of a text, the block with it there, and its limit of characters.
LENGTHS = {
    "header/text": (lambda text: {"type": "header", "text": plain(text)}, 150),
    "section/text": (lambda text: section(text=mrkdwn(text)), 3000),
    "section/fields": (lambda text: section(fields=[mrkdwn(text)]), 2000),
    "context/element": (lambda text: context(mrkdwn(text)), 3000),
    "block_id": (lambda text: section(block_id=text), 255),
    "button/action_id": (lambda text: actions(button(action_id=text)), 255),
    "button/text": (lambda text: actions(button(text=plain(text))), 75),
    "button/value": (lambda text: actions(button(value=text)), 2000),
    "button/url": (lambda text: actions(button(url=text)), 3000),
    "button/accessibility_label": (lambda text: actions(button(accessibility_label=text)), 75),
    "confirm/title": (lambda text: actions(button(confirm=confirm(title=plain(text)))), 100),
    "confirm/text": (lambda text: actions(button(confirm=confirm(text=mrkdwn(text)))), 300),
    "confirm/confirm": (lambda text: actions(button(confirm=confirm(confirm=plain(text)))), 30),
    "confirm/deny": (lambda text: actions(button(confirm=confirm(deny=plain(text)))), 30),
    "option/text": (lambda text: actions(select(options=[option(text)])), 75),
    "option/value": (lambda text: actions(select(options=[option(value=text)])), 150),
    "option/description": (lambda text: actions(select(options=[option(description=plain(text))])), 75),
    "option/url": (
        lambda text: actions({"type": "overflow", "options": [option(url=text)]}),
        3000,
    ),
    "select/placeholder": (lambda text: actions(select(placeholder=plain(text))), 150),
    "group/label": (
        lambda text: actions(
            {"type": "static_select", "option_groups": [{"label": plain(text), "options": options(1)}]}
        ),
        75,
    ),
    "image/url": (lambda text: image(image_url=text), 3000),
    "image/alt_text": (lambda text: image(alt_text=text), 2000),
    "image/title": (lambda text: image(title=plain(text)), 2000),
    "context/image/url": (lambda text: context(image(image_url=text)), 3000),
    "context/image/alt_text": (lambda text: context(image(alt_text=text)), 2000),
}


@for_each(("build", "most"), LENGTHS.values())
def test_text_may_have_up_to_the_limit_and_at_least_one_character(build, most):
    assert refusals(build("x" * most)) == []
    assert refusals(build("😀" * (most // 2))) == []
    [too_long] = refusals(build("x" * (most + 1)))
    assert too_long.endswith(f": must be less than {most + 1} characters")
    assert len(refusals(build("😀" * (most // 2 + 1)))) == 1, "an emoji counts two"
    [empty] = refusals(build(""))
    assert empty.endswith(": must be more than 0 characters")


def _groups(count: int) -> dict[str, Any]:
    groups = [{"label": plain(), "options": options(1)} for _ in range(count)]
    return actions({"type": "static_select", "option_groups": groups})


COUNTS = {
    "fields": (lambda count: section(fields=[plain()] * count), 10),
    "context": (lambda count: context(*[mrkdwn()] * count), 10),
    "actions": (lambda count: actions(*[button(action_id=str(n)) for n in range(count)]), 25),
    "options": (lambda count: actions(select(options=options(count))), 100),
    "option_groups": (_groups, 100),
    "group options": (
        lambda count: actions(
            {"type": "static_select", "option_groups": [{"label": plain(), "options": options(count)}]}
        ),
        100,
    ),
    "overflow": (lambda count: actions({"type": "overflow", "options": options(count)}), 5),
}


@pytest.mark.parametrize(("build", "most"), COUNTS.values(), ids=COUNTS)
def test_list_may_have_up_to_the_limit_and_at_least_one_entry(build, most):
    assert refusals(build(1)) == []
    assert refusals(build(most)) == []
    [too_many] = refusals(build(most + 1))
    assert too_many.endswith(f": no more than {most} items allowed")
    [none] = refusals(build(0))
    assert none.endswith(": no fewer than 1 items allowed")


def test_message_has_at_most_fifty_blocks():
    assert refusals(*[{"type": "divider"}] * 50) == []
    assert refusals(*[{"type": "divider"}] * 51) == ["/blocks: no more than 50 items allowed"]


SOUND = {
    "every block": [
        {"type": "header", "text": plain(), "block_id": "h"},
        section(expand=True, accessory=button(style="danger", confirm=confirm(style="primary"))),
        {"type": "section", "fields": [mrkdwn(), plain()], "accessory": image()},
        context(mrkdwn(), plain(), image()),
        {"type": "divider", "block_id": "d"},
        image(title=plain()),
        {"type": "image", "alt_text": "x", "slack_file": {"id": "F123"}},
    ],
    "every element": [
        actions(
            button(style="primary", value="v", url="https://example.com"),
            select(action_id="b", initial_option=options(2)[1], focus_on_load=False),
            {"type": "overflow", "action_id": "c", "options": options(5), "confirm": confirm()},
            button(action_id="d", text={"type": "plain_text", "text": "x"}),
        )
    ],
    "an id again in another block": [actions(button()), actions(button())],
    "ids left to Slack": [actions({"type": "button", "text": plain()}, {"type": "button", "text": plain()})],
    "verbatim": [section(text={"type": "mrkdwn", "text": "x", "verbatim": True})],
    "an option of a group": [
        actions(
            {
                "type": "static_select",
                "option_groups": [{"label": plain(), "options": options(2)}],
                "initial_option": options(2)[0],
            }
        )
    ],
}


@pytest.mark.parametrize("blocks", SOUND.values(), ids=SOUND)
def test_documented_blocks_are_accepted(blocks):
    assert problems("x", *blocks) == []


WRONG = [
    ({"type": "table", "rows": []}, "/blocks/0/type: 'table' is not one of header, section, "),
    ({"text": mrkdwn()}, "/blocks/0/type: None is not one of "),
    ({"type": ["header"]}, "/blocks/0/type: ['header'] is not one of "),
    ("header", "/blocks/0: must be an object"),
    ({"type": "header", "text": mrkdwn()}, "/blocks/0/text/type: 'mrkdwn' is not one of plain_text"),
    ({"type": "header", "text": "x"}, "/blocks/0/text: must be an object"),
    ({"type": "header"}, "/blocks/0: missing required field: text"),
    ({"type": "divider", "text": plain()}, "/blocks/0: unknown field: text"),
    ({"type": "section"}, "/blocks/0: needs text or fields"),
    (section(text={"type": "mrkdwn", "text": 5}), "/blocks/0/text/text: must be a string"),
    (section(text={"type": "mrkdwn"}), "/blocks/0/text: missing required field: text"),
    (section(text={**mrkdwn(), "emoji": False}), "/blocks/0/text: unknown field: emoji"),
    (section(text={**plain(), "verbatim": True}), "/blocks/0/text: unknown field: verbatim"),
    (section(text={**plain(), "emoji": "no"}), "/blocks/0/text/emoji: must be a boolean"),
    (section(fields=mrkdwn()), "/blocks/0/fields: must be an array"),
    (section(accessory=mrkdwn()), "/blocks/0/accessory/type: 'mrkdwn' is not one of button, "),
    (context(button()), "/blocks/0/elements/0/type: 'button' is not one of "),
    (actions(image()), "/blocks/0/elements/0/type: 'image' is not one of button, static_select, overflow"),
    (actions(button(text=mrkdwn())), "/blocks/0/elements/0/text/type: 'mrkdwn' is not one of plain_text"),
    (actions(button(style="default")), "/blocks/0/elements/0/style: 'default' is not one of primary, danger"),
    (actions(button(), button()), "/blocks/0/elements/1/action_id: 'a' is not unique"),
    (actions(button(confirm={"title": plain()})), "/blocks/0/elements/0/confirm: missing required field: "),
    (actions(select(option_groups=[])), "/blocks/0/elements/0/option_groups: no fewer than 1 items"),
    (
        actions({"type": "static_select", "action_id": "a"}),
        "/blocks/0/elements/0: needs exactly one of options and option_groups",
    ),
    (
        actions(select(option_groups=[{"label": plain(), "options": options(1)}])),
        "/blocks/0/elements/0: needs exactly one of options and option_groups",
    ),
    (
        actions(select(initial_option=option(text="other", value="0"))),
        "/blocks/0/elements/0/initial_option: is not one of the options",
    ),
    (actions(select(options=[{**option(), "text": mrkdwn()}])), "/blocks/0/elements/0/options/0/text/type: "),
    (
        actions(select(options=[option(url="https://example.com")])),
        "/blocks/0/elements/0/options/0: unknown field: url",
    ),
    (actions(select(options=["x"])), "/blocks/0/elements/0/options/0: must be an object"),
    ({"type": "image", "alt_text": "x"}, "/blocks/0: needs exactly one of image_url and slack_file"),
    (
        {"type": "image", "image_url": "https://example.com"},
        "/blocks/0: missing required field: alt_text",
    ),
]


@for_each(("block", "problem"), WRONG)
def test_forbidden_block_is_reported_with_its_path(block, problem):
    found = refusals(block)
    assert found
    assert found[0].startswith(problem)


def test_block_id_is_unique_in_its_message():
    blocks = [section(block_id="one"), section(block_id="two"), section(block_id="one"), section()]
    assert refusals(*blocks) == ["/blocks/2/block_id: 'one' is not unique"]


def test_blocks_have_to_be_an_array():
    assert blockkit.problems({"text": "x", "blocks": "[]"}) == ["/blocks: must be an array"]


GOOD_TEXTS = [
    "Bold *x*, <https://example.com?a=1|a page>, <mailto:a@example.com>, 5 &lt; 6 &amp;&amp; x",
    "> a quote\n>>> and a long one",
    "<#C024BE91L|general>, <@U2147483697>, <!subteam^S123|@care>, <!here>",
    "<!date^1795398780^until {date_short_pretty} at {time}|until Mon 23 Nov 01:53 UTC>",
    "<!date^1795398780^{ago}^https://example.com/|Mon 23 Nov>",
    "`code` and ```more code```",
]

BAD_TEXTS = [
    ("", "/text: is missing; "),
    (" \n", "/text: is missing; "),
    (7, "/text: must be a string"),
    ("Tom & Jerry", "/text: a bare '&', which should be escaped"),
    ("a -> b", "/text: a bare '>', which should be escaped"),
    ("<!here>> b", "/text: a bare '>', which should be escaped"),
    ("5 < 6", "/text: a bare '<', which should be escaped"),
    ("<!channels>", "/text: an unknown sequence '<!channels>'"),
    ("<b>", "/text: an unknown sequence '<b>'"),
    ("<!date^1795398780^{time}>", "/text: a malformed date "),
    ("<!date^1795398780|x>", "/text: a malformed date "),
    ("<!date^1795398780.5^{time}|x>", "/text: a date of '1795398780.5', not of integer seconds"),
    ("<!date^^{time}|x>", "/text: a date of '', not of integer seconds"),
    ("<!date^1795398780^at {hour}|x>", "/text: a date with the unknown token 'hour'"),
    ("<!date^1795398780^at noon|x>", "/text: a date with malformed tokens 'at noon'"),
    ("<!date^1795398780^{time|x>", "/text: a date with malformed tokens '{time'"),
    ("<!date^1795398780^{time}} |x>", "/text: a date with malformed tokens '{time}} '"),
    ("<!date^1795398780^{time}^page|x>", "/text: a date with the odd link 'page'"),
    ("<!date^1795398780^{time}| >", "/text: a date without a fallback"),
    ("`<!date^1795398780^{time}|x>`", "/text: a date stays literal in code"),
    ("```\n<!date^1795398780^{time}|x>\n```", "/text: a date stays literal in code"),
    ("x" * 4001, "/text: is best kept under 4001 characters"),
    ("x" * 40_001, "/text: must be less than 40001 characters"),
]


@pytest.mark.parametrize("text", GOOD_TEXTS)
def test_text_that_slack_shows_as_written_is_accepted(text):
    assert problems(text) == []


@for_each(("text", "problem"), BAD_TEXTS)
def test_text_that_slack_changes_is_reported(text, problem):
    assert problems(text)[0].startswith(problem)


def test_advice_is_a_problem_that_slack_neither_refuses_nor_changes():
    message = {"text": "x" * 4001}
    assert blockkit.refusals(message) == blockkit.flaws(message) == []
    assert blockkit.problems(message) == blockkit.advice(message) != []


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"type": "header", "text": plain("<!date^1^{time}|x>")}, "/blocks/0/text/text"),
        (actions(button(text=plain("<!date^1^{time}|x>"))), "/blocks/0/elements/0/text/text"),
        (
            actions(button(accessibility_label="<!date^1^{time}|x>")),
            "/blocks/0/elements/0/accessibility_label",
        ),
        (image(alt_text="<!date^1^{time}|x>"), "/blocks/0/alt_text"),
    ],
)
def test_date_has_no_place_outside_mrkdwn(block, place):
    assert problems("x", block) == [f"{place}: a date stays literal outside mrkdwn"]


def test_markup_is_checked_in_every_mrkdwn_text():
    block = section(fields=[plain("a & b"), mrkdwn("a & b")])
    assert problems("x", block) == ["/blocks/0/fields/1/text: a bare '&', which should be escaped"]


def test_unknown_key_of_a_message_is_reported():
    assert problems("x", mrkdown=True) == [": unknown field: mrkdown"]
    assert problems("x", response_type="ephemeral", replace_original=True) == []


def test_all_content_of_a_message_stays_within_our_limit():
    blocks = [section(text=mrkdwn("x" * 3000))] * 3
    assert problems("x", *blocks, section(text=mrkdwn("x" * 1000))) == []
    assert problems("x", *blocks, section(text=mrkdwn("x" * 1001))) == [
        "/blocks: 10001 characters of content, more than 10000"
    ]


def test_content_is_the_visible_text_of_the_blocks():
    blocks = [section(text=mrkdwn("ab")), actions(button(text=plain("c"), value="hidden")), image()]
    assert blockkit.content_length({"text": "not counted", "blocks": blocks}) == 4


def test_mentions_are_listed_as_written_and_only_where_they_notify():
    message = {
        "text": "<!channel> and <@U1|mei> <#C1|general> <!date^1^{time}|x>",
        "blocks": [
            {"type": "header", "text": plain("<!everyone>")},
            section(text=mrkdwn("<!subteam^S123> &lt;!here&gt; <!here|here>")),
        ],
    }
    assert blockkit.mentions(message) == ["<!channel>", "<@U1|mei>", "<!subteam^S123>", "<!here|here>"]


def test_message_without_markup_mentions_no_one():
    assert blockkit.mentions({"blocks": [section()]}) == []


SDK = {name: LENGTHS[name] for name in ("header/text", "section/text", "block_id")} | {
    name: LENGTHS[name] for name in LENGTHS if name.startswith(("button/text", "button/v", "button/u", "confirm/"))
}


@for_each(("build", "most"), SDK.values())
def test_limits_are_those_of_slacks_own_library(build, most):
    assert Block.parse(build("x" * most)).to_dict()
    with pytest.raises(SlackObjectFormationError):
        Block.parse(build("x" * (most + 1))).to_dict()


@pytest.mark.parametrize("blocks", SOUND.values(), ids=SOUND)
def test_accepted_blocks_are_accepted_by_slacks_own_library(blocks):
    for block in blocks:
        assert Block.parse(block).to_dict()["type"] == block["type"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["section", "mrkdwn", "actions", "button"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "elements", "fields", "accessory", "block_id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(text=JSON, blocks=JSON)
def test_checker_survives_any_json(text, blocks):
    message = {"text": text, "blocks": blocks}
    assert all(isinstance(problem, str) for problem in blockkit.problems(message))
    assert isinstance(blockkit.mentions(message), list)


def field(element: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "input", "label": plain(), "element": element or text_input(), **more}


def text_input(**more: Any) -> dict[str, Any]:
    return {"type": "plain_text_input", "action_id": "a", **more}


def modal(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "modal", "title": plain(), "submit": plain(), "blocks": list(blocks or [section()]), **more}


def home(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "home", "blocks": list(blocks or [section()]), **more}


VIEW_LENGTHS = {
    "title": (lambda text: modal(title=plain(text)), 24),
    "submit": (lambda text: modal(submit=plain(text)), 24),
    "close": (lambda text: modal(close=plain(text)), 24),
    "private_metadata": (lambda text: modal(private_metadata=text), 3000),
    "callback_id": (lambda text: home(callback_id=text), 255),
    "external_id": (lambda text: home(external_id=text), 255),
    "label": (lambda text: modal(field(label=plain(text))), 2000),
    "hint": (lambda text: modal(field(hint=plain(text))), 2000),
    "block_id": (lambda text: modal(field(block_id=text)), 255),
    "action_id": (lambda text: modal(field(text_input(action_id=text))), 255),
    "placeholder": (lambda text: modal(field(text_input(placeholder=plain(text)))), 150),
    "initial_value": (lambda text: modal(field(text_input(initial_value=text))), 3000),
    "initial_value with max_length": (
        lambda text: modal(field(text_input(initial_value=text, max_length=64))),
        64,
    ),
}


@for_each(("build", "most"), VIEW_LENGTHS.values())
def test_text_of_a_view_may_have_up_to_the_limit(build, most):
    assert blockkit.view_problems(build("x" * most)) == []
    [too_long] = blockkit.view_problems(build("x" * (most + 1)))
    assert too_long.startswith("/view/")
    assert too_long.endswith(f": must be less than {most + 1} characters")


SOUND_VIEWS = {
    "a modal without fields": {"type": "modal", "title": plain(), "blocks": [section()]},
    "every key of a modal": modal(
        close=plain(),
        private_metadata="",
        callback_id="",
        external_id="",
        clear_on_close=True,
        notify_on_close=False,
    ),
    "every key of a field": modal(
        field(
            text_input(
                min_length=0,
                max_length=3000,
                multiline=True,
                focus_on_load=True,
                placeholder=plain(),
                dispatch_action_config={"trigger_actions_on": ["on_enter_pressed"]},
            ),
            block_id="one",
            hint=plain(),
            optional=True,
            dispatch_action=True,
        )
    ),
    "a menu in groups as a field": modal(
        field(
            {
                "type": "static_select",
                "action_id": "a",
                "placeholder": plain(),
                "option_groups": [{"label": plain(), "options": options(100)}],
                "initial_option": options(100)[99],
            }
        )
    ),
    "the most blocks": modal(*[section(expand=True)] * 100),
    "a home": home(section(), actions(select(initial_option=options(2)[1])), private_metadata="{}"),
    "a field in a home": home(field(dispatch_action=True)),
}


@pytest.mark.parametrize("view", SOUND_VIEWS.values(), ids=SOUND_VIEWS)
def test_documented_view_is_accepted_and_slacks_own_library_agrees(view):
    assert blockkit.view_problems(view) == []
    assert View(**view).to_dict()["type"] == view["type"]


WRONG_VIEWS = [
    ({"type": "workflow_step"}, "/view/type: 'workflow_step' is not one of modal, home"),
    ({"type": "modal", "blocks": [section()]}, "/view: missing required field: title"),
    ({"type": "modal", "title": plain()}, "/view: missing required field: blocks"),
    ({"type": "modal", "title": plain(), "blocks": [field()]}, "/view: missing required field: submit"),
    (modal(title=mrkdwn()), "/view/title/type: 'mrkdwn' is not one of plain_text"),
    (modal(id="V1"), "/view: unknown field: id"),
    (modal(text="x"), "/view: unknown field: text"),
    (modal(notify_on_close="true"), "/view/notify_on_close: must be a boolean"),
    (home(title=plain()), "/view: unknown field: title"),
    (home(submit=plain()), "/view: unknown field: submit"),
    ({"type": "home", "blocks": []}, "/view/blocks: no fewer than 1 items allowed"),
    (home(*[section()] * 101), "/view/blocks: no more than 100 items allowed"),
    (home({"type": "table", "rows": []}), "/view/blocks/0/type: 'table' is not one of header, "),
    (modal(field(label=mrkdwn())), "/view/blocks/0/label/type: 'mrkdwn' is not one of plain_text"),
    (modal({"type": "input", "label": plain()}), "/view/blocks/0: missing required field: element"),
    (modal(field(button())), "/view/blocks/0/element/type: 'button' is not one of plain_text_input, static_select"),
    (modal(actions(text_input())), "/view/blocks/0/elements/0/type: 'plain_text_input' is not one of button, "),
    (modal(field(text_input(initial_value=""))), "/view/blocks/0/element/initial_value: must be more than 0 "),
    (modal(field(text_input(max_length=0))), "/view/blocks/0/element/max_length: must be from 1 to 3000"),
    (modal(field(text_input(max_length=3001))), "/view/blocks/0/element/max_length: must be from 1 to 3000"),
    (modal(field(text_input(min_length=-1))), "/view/blocks/0/element/min_length: must be from 0 to 3000"),
    (modal(field(text_input(min_length=True))), "/view/blocks/0/element/min_length: must be an integer"),
    (modal(field(text_input(min_length=9, max_length=8))), "/view/blocks/0/element/min_length: must not be more"),
    (
        modal(field(select(initial_option=option(text="other", value="0")))),
        "/view/blocks/0/element/initial_option: is not one of the options",
    ),
    (modal(field(block_id="x"), section(block_id="x")), "/view/blocks/1/block_id: 'x' is not unique"),
    (
        modal(field(text_input(focus_on_load=True)), actions(select(focus_on_load=True))),
        "/view/blocks: focus_on_load is set more than once",
    ),
    (modal(section(text=mrkdwn("a & b"))), "/view/blocks/0/text/text: a bare '&', which should be escaped"),
    (modal(title=plain("<!date^1^{time}|x>")), "/view/title/text: a date stays literal outside mrkdwn"),
    (modal(field(hint=plain("<!date^1^{time}|x>"))), "/view/blocks/0/hint/text: a date stays literal outside "),
]


@for_each(("view", "problem"), WRONG_VIEWS)
def test_forbidden_view_is_reported_with_its_path(view, problem):
    found = blockkit.view_problems(view)
    assert found
    assert found[0].startswith(problem)


def test_field_belongs_in_views_only():
    [refusal] = refusals(field())
    assert refusal.startswith("/blocks/0/type: 'input' is not one of header, ")


def test_view_is_at_most_250_kb_as_ascii():
    view = home(*[section(text=mrkdwn("波" * 400))] * 100)
    assert blockkit.view_problems(view) == []
    view["blocks"] = [section(text=mrkdwn("波" * 420))] * 100
    [problem] = blockkit.view_problems(view)
    assert problem.endswith(" bytes, more than 250000")


@given(blocks=JSON, more=JSON)
def test_checker_survives_any_view(blocks, more):
    for view in (modal() | {"blocks": blocks, "title": more}, home() | {"blocks": blocks, "callback_id": more}):
        assert all(isinstance(problem, str) for problem in blockkit.view_problems(view))
