"""A missing program is a failure in CI, and elsewhere a skip that the end of the run reports."""

from __future__ import annotations

import pytest

from tests.programs import give_up_without, skipped_for

BROWSER = "no chromium on PATH (Debian: apt-get install chromium)"


@pytest.mark.parametrize("value", ["true", "1", "True"])
def test_missing_program_fails_the_test_in_ci(monkeypatch, value):
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.fail.Exception, match="no chromium on PATH"):
        give_up_without(BROWSER)


@pytest.mark.parametrize("value", ["", "false"])
def test_missing_program_skips_the_test_elsewhere_and_is_counted(monkeypatch, value):
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.skip.Exception) as skipped:
        give_up_without(BROWSER)
    report = pytest.TestReport(
        "a", ("a.py", 1, "a"), {}, "skipped", ("a.py", 1, f"Skipped: {skipped.value}"), "setup"
    )
    other = pytest.TestReport("b", ("b.py", 1, "b"), {}, "skipped", ("b.py", 1, "Skipped: no time"), "call")
    assert skipped_for([report, report, other]) == {BROWSER: 2}
