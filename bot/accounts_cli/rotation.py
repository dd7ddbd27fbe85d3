"""The command `keys`: make a key for STORE_KEYS, seal all secrets with the newest, and count those of each key."""

from __future__ import annotations

from dataclasses import dataclass

from bot.accounts_cli.terminal import failed
from bot.sealing import DamagedSecretError, StoreKeys, UnknownKeyError
from bot.settings.values import Settings
from bot.store import sealed_secrets
from bot.store.database import Store
from bot.store.sealed_secrets import SealedSecret
from bot.text import many

BATCH = 500  # secrets in a transaction


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation has done."""

    sealed: int = 0
    failed: int = 0  # their key is missing, or they are damaged


async def rotate(settings: Settings) -> int:
    """Seal every secret with the first key. Return the exit status: 1 if some still need another key."""
    store = Store.from_url(settings.database_url, "")
    keys = StoreKeys(settings.store_keys)
    try:
        await store.open()
        done = await reseal(store, keys)
        async with store.begin() as tx:
            counts = await sealed_secrets.count_by_key(tx)
    finally:
        await store.close()
    others = {key: number for key, number in counts.items() if key != keys.ids[0]}
    print(f"{many(done.sealed, 'secret')} sealed with the key {keys.ids[0]}.")
    if not others:
        print("No secret needs another key: the others may leave STORE_KEYS, once every process has the new one.")
        return 0
    for key, number in others.items():
        why = "which STORE_KEYS lacks" if key not in keys.ids else "and could not be opened, or were just stored"
        print(f"{many(number, 'secret')} still {'needs' if number == 1 else 'need'} the key {key}, {why}.")
    return 1


async def reseal(store: Store, keys: StoreKeys, size: int = BATCH) -> Rotated:
    """Seal with the first key what other keys have sealed, in batches of a transaction each.

    A process that is killed leaves every secret under one of the keys, and the next call continues.
    """
    done, after = Rotated(), None
    while True:
        async with store.begin() as tx:
            page = await sealed_secrets.page_without_key(tx, keys.ids[0], after, size)
            new = [(one, _resealed(keys, one)) for one in page]
            replaced = [await sealed_secrets.replace(tx, one, value) for one, value in new if value]
        done = Rotated(done.sealed + sum(replaced), done.failed + len(new) - len(replaced))
        if len(page) < size:
            return done
        after = page[-1]


async def status(settings: Settings) -> int:
    """Print the keys, with the number of secrets of each. Return the exit status: 1 if one is missing."""
    keys = StoreKeys(settings.store_keys)
    store = Store.from_url(settings.database_url, "")
    try:
        await store.open()
        async with store.begin() as tx:
            counts = dict(await sealed_secrets.count_by_key(tx))
    finally:
        await store.close()
    if not keys and not counts:
        return failed("STORE_KEYS is not set, and no secret is stored.", 0)
    for number, key in enumerate(keys.ids):
        role = "seals" if number == 0 else "opens"
        print(f"{key}  {role}  {many(counts.pop(key, 0), 'secret')}")
    for key, number in counts.items():
        print(f"{key}  is not in STORE_KEYS  {many(number, 'secret')}")
    return 1 if counts else 0


def _resealed(keys: StoreKeys, sealed: SealedSecret) -> str:
    """Return the same secret under the first key; "" if it cannot be opened."""
    try:
        secret = keys.open(sealed.owner, sealed.name, sealed.value)
    except (UnknownKeyError, DamagedSecretError):
        return ""
    return keys.seal(sealed.owner, sealed.name, secret)
