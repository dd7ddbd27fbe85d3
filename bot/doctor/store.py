"""Check that the database can be reached and written, is permanent and is migrated. Migrate nothing."""

from __future__ import annotations

import re

from bot.doctor.findings import Finding, Report, Unset, well, wrong
from bot.runtime.tasks import with_timeout
from bot.settings.values import Settings
from bot.store.inspection import Inspected, Schema, inspect
from bot.store.store_errors import FaultKind, StoreError, classify

STATES = {
    Schema.NEW: "nothing is in it yet, the first start makes the tables",
    Schema.OLD: "an older release left it, the next start brings its tables up to date",
    Schema.PRESENT: "its tables are up to date",
    Schema.NEWER: "a newer release was here, its tables still fit",
}
OWN = "Give the bot a database of its own in DATABASE_URL."
# By messages of PostgreSQL and its client, in this order because one may contain another's words.
ADVICE = {
    r"password authentication failed|no password supplied": "The user or the password is wrong: copy DATABASE_URL "
    "anew from the page of the database.",
    r"(database|role) \S+ does not exist": "Create it, or copy DATABASE_URL anew from the page of the database.",
    r"SSL|sslmode|certificate": "The server speaks no TLS, or another: add to DATABASE_URL the sslmode that its "
    "host asks for.",
    r"too many (clients|connections)|connection slots": "Its plan allows no more connections: end other programs.",
    r"startup parameter": "This pooler accepts no options: use the direct URL of the database, or make the "
    "settings with ALTER ROLE … SET … and remove options= from DATABASE_URL.",
    r"statement pooling": "Set pool_mode to transaction or session in the pooler, or use the direct URL.",
    r"resolve|translate host name|Name or service": "There is no such host: copy DATABASE_URL anew.",
    r"refused|timed? ?out|timeout|unreachable": "Start the server, or let this machine through its firewall; and "
    "look at DATABASE_URL.",
}
# By kind of fault, for any message.
REMEDIES = {
    FaultKind.HANGING: "The server accepts connections and does not answer: is it stopped, or overloaded?",
    FaultKind.READ_ONLY: "Let DATABASE_URL name the primary: a replica accepts no writes.",
    FaultKind.FULL: "Free space on the disk of the database, or take a larger plan.",
    FaultKind.DENIED: "Let its user write and create tables, or correct the user in DATABASE_URL.",
    FaultKind.DAMAGED: "Restore a backup, or move the file away: the bot makes a new one, and reads in Slack what "
    "it has posted.",
    FaultKind.UNSUITABLE: "Create a database with ENCODING 'UTF8' and name it in DATABASE_URL.",
    FaultKind.BUSY: "End other programs that use this database, or allow it more connections.",
}
INSPECT_SECONDS = 12
OTHERWISE = "Look at DATABASE_URL; the words in brackets are the database's own."


async def examine(settings: Settings, unset: Unset, *, within: float = INSPECT_SECONDS) -> Report:
    """Examine the watcher's store, for at most `within` seconds. Without alerts there is no store."""
    if why := unset.why_not("store", "DATABASE_URL", "ALERTS"):
        return Report((why,))
    if not settings.alerts:
        return Report((well("store", "none: ALERTS is off, so nothing is watched and nobody is told"),))
    sqlite = settings.database_url.startswith("sqlite")
    kind = "SQLite" if sqlite else "PostgreSQL"
    try:
        found = await with_timeout(inspect(settings.database_url), within)
    except StoreError as exc:
        return Report((_unreachable(kind, exc),))
    return Report((_judged(kind, found, settings, passing=sqlite and settings.on_dyno),))


def _judged(kind: str, found: Inspected, settings: Settings, *, passing: bool) -> Finding:
    name = f"{kind} at {found.where}" if kind == "SQLite" else kind
    if found.hindrance:
        remedy = "Give the bot a folder that it may write to, with free space: DATABASE_URL=sqlite:///PATH."
        if kind != "SQLite":
            remedy = "Give its user the right to write and to create tables; a read-only copy is no store."
        return wrong("store", f"{name} cannot be written ({found.hindrance})", remedy)
    if found.schema is Schema.DEVELOPMENT:
        remedy = "Move it away, or name another database in DATABASE_URL: the first start makes the tables there."
        return wrong("store", f"{name} was made by a development version before 1.0.0, and is not modified", remedy)
    if found.schema is Schema.FOREIGN:
        return wrong("store", f"{name} belongs to another program, or has lost tables", OWN)
    if passing:
        remedy = "Add PostgreSQL, whose add-on sets DATABASE_URL."
        return wrong("store", f"{name} is lost at each restart of the dyno, and with it what was told", remedy)
    hint = "Deploy the newest release again." if found.schema is Schema.NEWER else ""
    return well("store", f"{name}: {STATES[found.schema]}", hint)


def _unreachable(kind: str, error: Exception) -> Finding:
    """Report the driver's message, in one line: it may contain user and host, but no password."""
    fault = classify(error)
    message = fault.words if fault else type(error).__name__
    by_words = next((advice for pattern, advice in ADVICE.items() if re.search(pattern, message)), None)
    remedy = by_words or (REMEDIES.get(fault.kind) if fault else None) or OTHERWISE
    return wrong("store", f"{kind} cannot be used ({message})", remedy)
