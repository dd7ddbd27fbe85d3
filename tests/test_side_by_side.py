"""Two versions on one store: what a run reports. The run itself is `make side-by-side`."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.crash.operation_oracle import OperationVerdict
from tests.crash.oracle import Verdict
from tests.side_by_side.__main__ import main
from tests.side_by_side.outcome import Outcome, Version

BOTH = Counter(Version)


@pytest.mark.parametrize(
    ("seen", "kinds"),
    [
        ({}, []),
        ({"verdict": Verdict(lost=["x"])}, ["lost"]),
        ({"operations": OperationVerdict(unreported=["x"])}, ["operations: unreported"]),
        ({"dead_buttons": ["1.0"]}, ["buttons without effect"]),
        ({"unexpected": ["older: ERROR"]}, ["unexpected"]),
        ({"clicked": Counter([Version.OLDER])}, ["not tried"]),
        ({"posted": Counter([Version.NEWER])}, ["not tried"]),
    ],
)
def test_outcome_complains_of_each_fault_and_of_a_version_that_did_nothing(seen, kinds):
    assert [*Outcome(**{"posted": BOTH, "clicked": BOTH, "kills": BOTH, **seen}).complaints] == kinds


def test_ref_that_does_not_exist_ends_with_a_sentence(capsys):
    assert main(["--ref", "no-such-ref"]) == 2
    assert "The older version cannot be checked out" in capsys.readouterr().err
