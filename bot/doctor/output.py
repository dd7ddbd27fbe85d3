"""Output of the findings, as a table for people or as JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from bot.doctor.findings import Finding, Verdict

MARKS: dict[Verdict, str] = {"ok": "✓", "wrong": "✗", "unknown": "?"}
PLAIN: dict[Verdict, str] = {"ok": "ok", "wrong": "NO", "unknown": "?"}  # for terminals without these characters
WIDTH = 100


def lines(findings: Sequence[Finding], encoding: str) -> list[str]:
    """Write a table: mark, check and finding, with the remedy below. The last line is a summary."""
    marks, arrow = MARKS, "→"
    try:
        "".join(MARKS.values()).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        marks, arrow = PLAIN, ">"
    mark_width = max(map(len, marks.values()))
    check_width = max(len(finding.check) for finding in findings)
    found = []
    for finding in findings:
        head = f"{marks[finding.verdict]:{mark_width}}  {finding.check:{check_width}}  "
        found += _wrapped(finding.said, head)
        found += _wrapped(finding.remedy, f"{'':{len(head)}}{arrow} ")
    return [*found, "", _summary(findings)]


def _wrapped(text: str, head: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,  # so that a path or an address can be copied
        break_on_hyphens=False,
    )


def as_json(findings: Sequence[Finding]) -> str:
    return json.dumps({"ok": is_well(findings), "findings": [asdict(finding) for finding in findings]}, indent=2)


def is_well(findings: Sequence[Finding]) -> bool:
    """Return whether nothing is wrong. An unknown verdict does not count as wrong."""
    return not any(finding.verdict == "wrong" for finding in findings)


def _summary(findings: Sequence[Finding]) -> str:
    wrong = sum(finding.verdict == "wrong" for finding in findings)
    unknown = sum(finding.verdict == "unknown" for finding in findings)
    first = {0: "Nothing is wrong.", 1: "1 thing is wrong."}.get(wrong, f"{wrong} things are wrong.")
    rest = {0: "", 1: " 1 could not be checked."}.get(unknown, f" {unknown} could not be checked.")
    return first + rest
