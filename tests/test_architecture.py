"""The import contracts are kept, and the diagrams of docs/architecture.md show what the code imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bot.store.tables import metadata
from tests.architecture import FLOORS, FLOWS, PAGE, ROOT, Port, Step, fault_of, packages, page, reduced
from tests.documents import document
from tests.for_each import for_each

STEPS = [step for steps in FLOWS.values() for step in steps]


@pytest.mark.process
def test_import_contracts_are_kept():
    # In a process of its own: in this one it would disable all loggers.
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_page_is_up_to_date():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "it differs from the code: run `make docs`"


@for_each("step", STEPS)
def test_each_step_of_a_flow_is_an_import_a_port_or_a_library(step):
    assert fault_of(step) == ""


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (Step("bot.requests", "bot.store", ""), "bot.requests does not import bot.store"),
        (Step("Slack", "bot.requests", "", "aiohttp"), "bot.requests does not import aiohttp"),
        (Step("bot.web.guard", "bot.slack", "", Port("Gate")), "bot.web.guard has no Gate"),
        (
            Step("bot.watcher.poller", "wechat_kf", "", Port("Accounts", "wechat_kf:StableToken")),
            "StableToken lacks kf_list, online_kf_list of Accounts",
        ),
        (
            Step("bot.watcher.poller", "bot.store", "", Port("Accounts", "wechat_kf:KfClient")),
            "wechat_kf:KfClient is not in bot.store",
        ),
    ],
)
def test_step_that_the_code_does_not_have_is_refused(step, fault):
    assert fault_of(step) == fault


@pytest.mark.parametrize("steps", FLOWS.values(), ids=FLOWS)
def test_each_step_starts_or_ends_at_a_package_that_an_earlier_step_reached(steps):
    known = _ends(steps[0])
    for step in steps:
        assert step.source == steps[0].source or _ends(step) & known, step
        known |= _ends(step)


def _ends(step: Step) -> set[str]:
    return {".".join(end.split(".")[:2]) for end in (step.source, step.target)}


def test_page_names_the_tables_of_the_store():
    (table,) = document(PAGE).section("The store").tables
    assert [name.strip("`") for name, _ in table[1:]] == list(metadata.tables)


def test_import_that_follows_from_others_is_not_drawn():
    assert reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {("a", "b"), ("b", "c")}


def test_diagram_has_every_package_on_its_floor_and_an_arrow_or_a_path_for_each_import():
    diagram = PAGE.read_text(encoding="utf-8").split("```mermaid")[1].split("```")[0]
    drawn = {}
    for floor, block in re.findall(r"subgraph \w+\[\"floor (-?\d+)\"\]\n(.*?)\n  end", diagram, re.S):
        drawn |= dict.fromkeys(re.findall(r'm_(\w+)\["', block), int(floor))
    assert drawn == FLOORS
    arrows: dict[str, set[str]] = {name: set() for name in FLOORS}
    for upper, lower in re.findall(r"m_(\w+) --> m_(\w+)", diagram):
        arrows[upper].add(lower)

    def reach(name: str) -> set[str]:
        return {far for near in arrows[name] for far in (near, *reach(near))}

    for name, used in packages().items():
        assert reach(name) >= used
