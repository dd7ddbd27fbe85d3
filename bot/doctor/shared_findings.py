"""Findings about several accounts: the same fault of several is one finding, with some of their handles. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.doctor.findings import Finding
from bot.tenants.tenant import Tenant, handles
from bot.text import many

# What differs between accounts with the same finding: WeChat's number of the call, and what a good one has read.
VARYING = (
    (re.compile(r"[, ]*\brid:? [0-9a-zA-Z-]+"), ""),
    (re.compile(r"^is given for .+"), "is given"),
    (re.compile(r"^\d+ accounts? read$"), "the list is read"),
    (re.compile(r"\bWeChat was read [^,]* ago, "), ""),
)
SHARED = ("proxy", "WeChat", "running bot", "operations")  # checks that mostly concern all accounts alike


def grouped(found: Iterable[tuple[Tenant, Iterable[Finding]]]) -> list[Finding]:
    """Return the findings of several accounts in their order, those of a check beside each other."""
    accounts, groups = 0, dict[Finding, list[tuple[Tenant, Finding]]]()
    for tenant, findings in found:
        accounts += 1
        for finding in findings:
            groups.setdefault(_common(finding, tenant), []).append((tenant, finding))
    checks = list(dict.fromkeys(finding.check for finding in groups))
    return [
        _finding(common, members, of_all=len(members) == accounts)
        for common, members in sorted(groups.items(), key=lambda group: checks.index(group[0].check))
    ]


def _common(finding: Finding, tenant: Tenant) -> Finding:
    """Return the finding without what only this account has."""

    def without(text: str) -> str:
        for pattern, replacement in VARYING:
            text = pattern.sub(replacement, text)
        return text.replace(tenant.appid, "the account")

    return replace(finding, said=without(finding.said), remedy=without(finding.remedy))


def _finding(common: Finding, members: Sequence[tuple[Tenant, Finding]], *, of_all: bool) -> Finding:
    tenant, first = members[0]
    if of_all and common.check in SHARED:
        return common
    if len(members) == 1:
        return replace(first, said=f"@{tenant.slug}: {first.said}")
    named = handles([tenant for tenant, _ in members])
    return replace(common, said=f"{many(len(members), 'account')}: {common.said} ({named})")
