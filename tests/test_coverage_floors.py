"""The floors of coverage, on rows as `coverage report` writes them."""

from __future__ import annotations

import pytest

from tests.coverage_floors import MODULES, too_low
from tests.documents import ROOT

HEAD = "Name                 Stmts   Miss Branch BrPart  Cover   Missing\n-------\n"
TOTAL = "TOTAL                12475    425   2710     80    96%\n149 files skipped due to complete coverage.\n"


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
    ],
)
def test_module_below_its_floor_is_named(rows, complaints):
    assert too_low((HEAD + rows).splitlines()) == complaints


def test_floors_are_those_of_present_modules():
    assert all([*ROOT.glob(pattern)] for pattern in MODULES)
