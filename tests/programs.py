"""Programs that tests need and a machine may lack: without one a test is skipped, and fails where CI=true."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NoReturn

import pytest

LACKING = "lacking a program: "


def give_up_without(program: str) -> NoReturn:
    """Skip the test because a program is missing. With CI=true fail it: nothing may stay untested unnoticed."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{LACKING}{program}; with CI=true this is a failure", pytrace=False)
    pytest.skip(f"{LACKING}{program}")


def skipped_for(reports: Iterable[pytest.TestReport]) -> dict[str, int]:
    """Count the skipped tests by the program that they lack."""
    found: dict[str, int] = {}
    for report in reports:
        reason = str(report.longrepr[-1]) if isinstance(report.longrepr, tuple | list) else ""
        _, is_lacking, program = reason.partition(LACKING)
        if is_lacking:
            found[program] = found.get(program, 0) + 1
    return found
