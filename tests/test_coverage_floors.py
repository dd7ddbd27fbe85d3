"""The floors of coverage, on rows as `coverage report` writes them."""

from __future__ import annotations

import tomllib

import pytest

from tests.coverage_floors import MODULES, too_low
from tests.documents import ROOT

HEAD = "Name                 Stmts   Miss Branch BrPart  Cover   Missing\n-------\n"
TOTAL = "TOTAL                12475    425   2710     80    96%\n149 files skipped due to complete coverage.\n"
LINES = "TOTAL                12475    425    97%\n"


@pytest.mark.parametrize(
    ("rows", "complaints"),
    [
        ("bot/web/guard.py   90   7  24   2   90%   52-63, 248\n" + TOTAL, []),
        (
            "bot/web/guard.py   90   7  24   2   89%   52-63\n" + TOTAL,
            ["bot/web/guard.py: 89 %, at least 90 % is wanted"],
        ),
        (
            "wechat_kf/body.py  90   1   4   0   99%   7\n" + TOTAL,
            ["wechat_kf/body.py: 99 %, at least 100 % is wanted"],
        ),
        ("bot/demo/run.py    50  29   6   0   38%   24\n" + TOTAL, []),
        (TOTAL.replace("96%", "94%"), ["TOTAL: 94 %, at least 95 % is wanted"]),
        ("", ["the report has no total"]),
        (LINES, []),
        (LINES.replace("97%", "94%"), ["TOTAL: 94 %, at least 95 % is wanted"]),
        ("bot/web/guard.py   90  10    89%   52-63\n" + LINES, ["bot/web/guard.py: 89 %, at least 90 % is wanted"]),
    ],
)
def test_module_below_its_floor_is_named(rows, complaints):
    assert too_low((HEAD + rows).splitlines()) == complaints


def test_floors_are_those_of_present_modules():
    assert all([*ROOT.glob(pattern)] for pattern in MODULES)


def test_lines_are_counted_of_the_same_code_as_branches():
    lines, branches = (
        tomllib.loads((ROOT / name).read_text(encoding="utf-8"))["tool"]["coverage"]["run"]
        for name in ("tests/lines.toml", "pyproject.toml")
    )
    assert lines["source"] == branches["source"]
    assert (lines["branch"], branches["branch"]) == (False, True)
