"""Load all accounts of an installation: that of the environment, those of a file, and those of the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo

from bot.alerting.quiet_hours import QuietHours
from bot.runtime.logs import APPSECRET
from bot.sealing import StoreKeys
from bot.settings.reader import InvalidSetting, SettingsError
from bot.settings.values import Settings
from bot.store.tenants import StoredTenant
from bot.tenants import accounts_file, secret_references
from bot.tenants.accounts_file import AccountEntry, AccountsFile
from bot.tenants.installation import Installation, Paused
from bot.tenants.stored_accounts import NO_ACCOUNTS, OpenedAccount, StoredAccounts, open_account
from bot.tenants.table_keys import Source
from bot.tenants.tenant import Tenant, TenantOrigin, default_slug, free_slug

ReadFile = Callable[[str], str]  # raises OSError, or ValueError for text that is not UTF-8

WHERE_CHANNEL = "Write it here, in [defaults], in a [[route]] for one of its labels, or as SLACK_ALERT_CHANNEL."
NO_CHANNEL = "it has no channel"
ADD_CHANNEL = "`python -m bot accounts set HANDLE --channel C0123456789`, or set SLACK_ALERT_CHANNEL."
# The settings that an account may have for itself, by key. `quiet` and `breakthrough` are parts of one.
FIELDS = {
    "channel": "slack_alert_channel",
    "mention": "alert_mention",
    "leads": "alert_leads",
    "timezone": "timezone",
    "poll": "poll_seconds",
    "language": "language",
    "viewers": "kf_viewers",
}


@dataclass(frozen=True, slots=True)
class DefinedAccounts:
    """The accounts of the environment and the file, and what these say of accounts elsewhere."""

    settings: Settings  # of the deployment
    tenants: tuple[Tenant, ...]
    file: AccountsFile


class OwnSettings:
    """Settings of accounts, without AppID and AppSecret. Those with the same values of their own are one object."""

    def __init__(self, deployment: Settings) -> None:
        self.deployment = deployment
        self._common = replace(deployment, wechat_appid="", wechat_secret="")
        self._made: dict[tuple[object, ...], Settings] = {}

    def of(self, values: Mapping[str, Any]) -> Settings:
        """Return the settings of the deployment with these values in place, by the keys of a file."""
        own = {field: values[key] for key, field in FIELDS.items() if key in values}
        quiet = _quiet_hours(self.deployment.quiet, own.get("timezone", self.deployment.timezone), values)
        key = (*own.items(), quiet)
        if key not in self._made:
            self._made[key] = replace(self._common, **own, quiet=quiet)
        return self._made[key]


def load(
    settings: Settings,
    environ: Mapping[str, str],
    read_file: ReadFile,
    stored: StoredAccounts = NO_ACCOUNTS,
    *,
    posts: bool = True,
) -> tuple[Tenant, ...]:
    """Return the accounts that are watched: that of the environment, those of the file, and those of the store.

    For the arguments and the errors see `load_defined`.
    """
    defined = load_defined(settings, environ, read_file, posts=posts)
    return tuple(with_stored(defined, stored, posts=posts).watched)


def load_defined(
    settings: Settings, environ: Mapping[str, str], read_file: ReadFile, *, posts: bool = True
) -> DefinedAccounts:
    """Return the accounts of the environment and the file.

    For one AppID the environment takes precedence: its secret and channel, with everything else of the file.

    Args:
        environ: the variables that secrets refer to.
        posts: whether alerts may be posted, so that each account needs a channel; `python -m bot list` posts none.

    Raises:
        SettingsError: names every mistake at once.
    """
    file = _accounts_file(settings, read_file)
    entries = file.entries
    secrets, unresolved = _secrets(settings, entries, environ, read_file)
    problems = [*file.problems, *unresolved]
    problems += [*_without_quiet_hours(settings, entries), *_without_service(settings, entries)]
    if settings.alerts and posts:
        problems += _without_channel(settings, entries)
    if problems:
        raise SettingsError(problems)
    by_appid = {entry.appid: entry for entry in entries}
    slugs = {entry.slug for entry in entries}
    tenants, own = [], OwnSettings(settings)
    for appid, secret in secrets.items():
        tenant = _tenant(own, by_appid.get(appid), appid, secret, slugs)
        tenants.append(tenant)
        slugs.add(tenant.slug)
    # The tables of thousands of accounts would double the memory of a process.
    return DefinedAccounts(settings, tuple(tenants), file._replace(entries=()))


def with_stored(defined: DefinedAccounts, stored: StoredAccounts, *, posts: bool = True) -> Installation:
    """Return all accounts. What keeps one of the store from being watched is no mistake, but is in `paused`."""
    found = [*_stored(defined, stored, posts=posts)]
    watched = (*defined.tenants, *(one.tenant for one in found if not one.why))
    return Installation(watched, [one for one in found if one.why])


def _stored(defined: DefinedAccounts, stored: StoredAccounts, *, posts: bool) -> Iterator[Paused]:
    """Yield the accounts of the store that are not defined elsewhere. Those that are watched have no reason."""
    settings, appids = defined.settings, {one.appid for one in defined.tenants}
    keys, slugs = StoreKeys(settings.store_keys), {one.slug for one in defined.tenants}
    own = OwnSettings(settings)
    for row in stored.rows:
        if row.appid in appids:
            continue
        opened = open_account(row, stored, keys, settings)
        slug = free_slug(row.slug, slugs)
        slugs.add(slug)
        tenant = tenant_of_row(own, defined.file, row, opened, slug)
        if settings.alerts and posts and not opened.why_paused and not tenant.settings.slack_alert_channel:
            yield Paused(tenant, NO_CHANNEL, ADD_CHANNEL)
        else:
            yield Paused(tenant, opened.why_paused, opened.remedy)


def tenant_of_row(
    own: OwnSettings, file: AccountsFile, row: StoredTenant, opened: OpenedAccount, slug: str = ""
) -> Tenant:
    """Return an account of the store. What a file of accounts says of `[defaults]` and routes holds for it, too.

    Args:
        slug: in place of that of the row, which another account has.
    """
    # A malformed value counts as absent. Without quiet hours, these are None as well.
    read = {key: value for key, value in opened.values.items() if value is not None or key == "quiet"}
    values = file.complete(read)
    return Tenant(
        slug=slug or row.slug,
        name=values.get("name", ""),
        labels=values.get("labels", ()),
        origin=TenantOrigin(row.origin),
        settings=own.of(values),
        source=Source.PLATFORM if row.origin == TenantOrigin.PLATFORM else values.get("source", Source.SECRET),
        state=row.state,
        appid=row.appid,
        secret=opened.secret,
    )


def secrets_of(tenants: Sequence[Tenant]) -> tuple[str, ...]:
    """Return the strings that no log line may contain, of all accounts.

    The log knows the shape of AppSecrets. There may be thousands, so only those of another shape are returned.
    """
    of_accounts = [one.secret for one in tenants]
    found = [secret for secret in of_accounts if not APPSECRET.fullmatch(secret)]
    found += replace(tenants[0].settings, wechat_secret="").secrets if tenants else ()
    return tuple(dict.fromkeys(filter(None, found)))


def _accounts_file(settings: Settings, read_file: ReadFile) -> AccountsFile:
    """Read the file of accounts, or its text; an empty one without either."""
    # Routes and defaults may be for accounts of the store.
    parse = partial(accounts_file.parse, needs_account=not settings.has_stored_accounts)
    if settings.accounts_toml:
        return parse(settings.accounts_toml, "KF_ACCOUNTS")
    if not settings.accounts_file:
        return AccountsFile()
    try:
        text = read_file(settings.accounts_file)
    except OSError as exc:
        why = f"names a file that cannot be read: {exc.strerror or type(exc).__name__}"
        return AccountsFile(problems=(InvalidSetting("KF_ACCOUNTS_FILE", why),))
    except ValueError:
        return AccountsFile(problems=(InvalidSetting("KF_ACCOUNTS_FILE", "names a file that is not UTF-8 text"),))
    return parse(text, PurePath(settings.accounts_file).name)


def _secrets(
    settings: Settings, entries: Sequence[AccountEntry], environ: Mapping[str, str], read_file: ReadFile
) -> tuple[dict[str, str], list[InvalidSetting]]:
    """Return the AppSecrets by AppID, that of the environment first, with all problems."""
    secrets = {settings.wechat_appid: settings.wechat_secret} if settings.wechat_appid else {}
    problems = []
    for entry in entries:
        if entry.appid and entry.appid == settings.wechat_appid:
            continue
        try:
            secrets[entry.appid] = _secret(entry, environ, read_file)
        except ValueError as exc:
            problems.append(entry.problem("secret", *map(str, exc.args[:2])))
    return secrets, problems


def _secret(entry: AccountEntry, environ: Mapping[str, str], read_file: ReadFile) -> str:
    """Return the secret of an account; "" if it needs none, or has a malformed reference."""
    if entry.values.get("source", Source.SECRET) is not Source.SECRET:
        return ""
    if "secret" not in entry.own:
        raise ValueError("is missing", f'Write {secret_references.FORMS}, or source = "service".')
    reference = entry.own["secret"]
    return secret_references.resolve(reference, environ, read_file) if reference else ""


def _without_quiet_hours(settings: Settings, entries: Iterable[AccountEntry]) -> Iterator[InvalidSetting]:
    for entry in entries:
        if entry.own.get("breakthrough") and "quiet" not in entry.values and settings.quiet is None:
            yield entry.problem("breakthrough", "is on, but there are no quiet hours")


def _without_service(settings: Settings, entries: Iterable[AccountEntry]) -> Iterator[InvalidSetting]:
    for entry in entries:
        if entry.values.get("source") is Source.SERVICE and not settings.token_service_url:
            yield entry.problem("source", 'is "service", but TOKEN_SERVICE_URL is not set')


def _without_channel(settings: Settings, entries: Sequence[AccountEntry]) -> Iterator[InvalidSetting]:
    """Yield a problem for each account whose alerts have no channel."""
    if settings.slack_alert_channel:
        return
    if settings.wechat_appid and all(entry.appid != settings.wechat_appid for entry in entries):
        yield InvalidSetting("SLACK_ALERT_CHANNEL")
    for entry in entries:
        # Malformed labels may have a route.
        if "channel" not in entry.values and entry.values.get("labels", ()) is not None:
            yield entry.problem("channel", "is missing", WHERE_CHANNEL)


def _tenant(
    own: OwnSettings, entry: AccountEntry | None, appid: str, secret: str, slugs: Collection[str]
) -> Tenant:
    settings, values = own.deployment, dict(entry.values) if entry else {}
    is_own = appid == settings.wechat_appid
    if is_own and settings.slack_alert_channel:
        values["channel"] = settings.slack_alert_channel
    return Tenant(
        slug=values.get("handle") or default_slug(appid, slugs),
        name=values.get("name", ""),
        labels=values.get("labels", ()),
        origin=TenantOrigin.ENVIRONMENT if is_own else TenantOrigin.FILE,
        settings=own.of(values),
        source=Source.SECRET if is_own else values.get("source", Source.SECRET),
        appid=appid,
        secret=secret,
    )


def _quiet_hours(deployment: QuietHours | None, zone: ZoneInfo, values: Mapping[str, Any]) -> QuietHours | None:
    hours = values.get("quiet", (deployment.begins, deployment.ends) if deployment else None)
    if hours is None:
        return None
    begins, ends = hours
    breakthrough = values.get("breakthrough", deployment is not None and deployment.breakthrough)
    return QuietHours(begins, ends, zone, breakthrough)
