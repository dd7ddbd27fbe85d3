"""Check the accounts of the store: do STORE_KEYS open their AppSecrets, and which are not watched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from bot.doctor.findings import Finding, unknown, well, wrong
from bot.sealing import DamagedSecretError, StoreKeys, UnknownKeyError, sealing_key
from bot.store.sealed_secrets import APPSECRET
from bot.tenants.installation import PAUSED, Paused
from bot.tenants.stored_accounts import PUT_BACK, RESTORE, StoredAccounts
from bot.tenants.tenant import handles
from bot.text import many

CHECK = "keys"


def findings(keys: StoreKeys, stored: StoredAccounts) -> list[Finding]:
    """Return the findings about the keys and what they seal; none without either."""
    if not stored.sealed:
        return [well(CHECK, f"{many(len(keys.ids), 'key')}: no AppSecret is stored")] if keys else []
    by_key = Counter(map(sealing_key, stored.sealed.values()))
    found = [
        wrong(CHECK, f"STORE_KEYS lacks the key {key} of {many(number, 'AppSecret')}", PUT_BACK)
        for key, number in by_key.items()
        if key not in keys.ids
    ]
    if damaged := sum(_is_damaged(keys, owner, sealed) for owner, sealed in stored.sealed.items()):
        why = f"{many(damaged, 'AppSecret')} cannot be opened: changed in the database, or moved to another row"
        found.append(wrong(CHECK, why, RESTORE))
    if found:
        return found
    return [well(CHECK, f"{many(len(stored.sealed), 'AppSecret')} can be opened", _hint(keys, by_key))]


def not_watched(paused: Iterable[Paused]) -> list[Finding]:
    """Return a finding for each reason why accounts of the store are not watched."""
    by_reason: dict[str, list[Paused]] = {}
    for one in paused:
        by_reason.setdefault(one.why, []).append(one)
    return [_not_watched(why, members) for why, members in by_reason.items()]


def _not_watched(why: str, members: Sequence[Paused]) -> Finding:
    named = handles([one.tenant for one in members])
    if why == PAUSED:
        return unknown("accounts", f"paused by a person: {named}", "`python -m bot accounts resume HANDLE`")
    remedy = members[0].remedy or "`python -m bot accounts set HANDLE` corrects it."
    return wrong("accounts", f"not watched, because {why}: {named}", remedy)


def _hint(keys: StoreKeys, by_key: Counter[str]) -> str:
    """Return the next step of an exchange of keys that has begun; "" if there is none."""
    if any(key != keys.ids[0] for key in by_key):
        return f"To seal them with the newest key {keys.ids[0]}, run `python -m bot keys rotate`."
    unused = [key for key in keys.ids[1:] if key not in by_key]
    return f"Remove from STORE_KEYS what opens no secret any more: {', '.join(unused)}." if unused else ""


def _is_damaged(keys: StoreKeys, owner: str, sealed: str) -> bool:
    try:
        keys.open(owner, APPSECRET, sealed)
    except DamagedSecretError:
        return True
    except UnknownKeyError:
        return False
    return False
