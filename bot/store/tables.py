"""The tables. Migrations only add to them, because processes of an older release still run during a deploy.

Indexes over some rows of a table are in `partial_indexes`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()


class _Tolerant(sa.TypeDecorator[Any]):
    """Reads a damaged value as None. An exception would end the query, and with it all other rows."""

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], Any] | None:
        read = super().result_processor(dialect, coltype)

        def read_or_none(value: Any) -> Any:
            try:
                return read(value) if read else value
            except ValueError:
                return None

        return read_or_none


class Moment(_Tolerant):
    """An aware datetime in UTC. SQLite stores no zone: it is removed on writing and added on reading."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Notes(_Tolerant):
    """JSON that no alert depends on."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True


def _column(name: str, kind: Any, **rest: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **rest)


# One row per Official Account: the state of polling and of posting.
poll_state = sa.Table(
    "poll_state",
    metadata,
    sa.Column("appid", sa.Text, primary_key=True),
    _column("next_poll_at", Moment),
    sa.Column("watching_since", Moment),  # the first good poll
    sa.Column("last_read_at", Moment),  # when the last good poll began
    _column("accounts", sa.Integer, default=0),  # the number that it listed
    _column("empty_polls", sa.Integer, default=0),  # empty ones in a row, after a full one
    sa.Column("polled_at", Moment),  # when the last poll completed, even if its list was not accepted
    sa.Column("poll_wait", sa.Integer),  # seconds from the last poll to the next: the interval, or a back-off
    _column("failed_polls", sa.Integer, default=0),
    sa.Column("failing_since", Moment),  # the first of them
    _column("good_polls", sa.Integer, default=0),
    sa.Column("incident", sa.Text),  # the id of the newest, a row of `episode`
    _column("skewed_polls", sa.Integer, default=0, server_default="0"),  # in a row that found the clock wrong
    sa.Column("clock_incident", sa.Text),
    # These seven have moved to `channel`. Processes of an earlier release use them while a deploy lasts: then each
    # release keeps its own pace, so that Slack may answer 429, and finds out a refusal by its own next post. No
    # message is posted twice, since both claim its row.
    _column("next_post_at", Moment),
    sa.Column("paused_at", Moment),
    sa.Column("blocked_by", sa.Text),
    sa.Column("slack_error", sa.Text),
    sa.Column("slack_error_since", Moment),
    _column("slack_refuses", sa.Boolean, default=False, server_default=sa.false()),
    _column("slack_reading", sa.Boolean, default=False, server_default=sa.false()),
    sa.Column("failing_rows", Notes),  # by account key: error and time
    sa.Column("operation_refused_at", Moment),  # WeChat answered 48001 to an operation, until one succeeds
    sa.Column("operation_refused_family", sa.Text),
    sa.Column("pruned_at", Moment),  # the last start of the daily pruning
    sa.Column("due_at", Moment),  # while a poll is claimed: when it was due; `next_poll_at` is the end of the claim
    _column("queued", sa.Boolean, default=False, server_default=sa.false()),  # the first to take it makes it
    _column("paused", sa.Boolean, default=False, server_default=sa.false()),  # no process polls it
    sa.Column("requested_at", Moment),  # when a person last needed a poll
    _column("idle", sa.Boolean, default=False, server_default=sa.false()),  # nothing is expected: polls may be rare
    sa.Column("rows_digest", sa.Text),  # of the last list, if its evaluation changed nothing
    sa.Column("evaluated_at", Moment),  # when the poll of that list began
    sa.Index("poll_state_due", "paused", "next_poll_at"),
)

# One invitation of one account, or one incident (kind "health").
episode = sa.Table(
    "episode",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("appid", sa.Text),
    _column("kind", sa.Text),
    _column("account_key", sa.Text, default=""),
    _column("invite_wx", sa.Text, default=""),
    sa.Column("expires_at", Moment),
    _column("state", sa.Text),
    _column("first_seen", Moment),
    _column("state_since", Moment),
    _column("kf_account", sa.Text, default=""),
    _column("kf_nick", sa.Text, default=""),
    _column("kf_id", sa.Text, default=""),
    _column("repetition", sa.Integer, default=0, server_default="0"),
    _column("is_latest", sa.Boolean, default=True),
    _column("pending_state", sa.Text, default=""),
    _column("confirmations", sa.Integer, default=0),
    sa.Column("confirmed_at", Moment),
    _column("successor_wx", sa.Text, default=""),
    sa.Column("successor_expires_at", Moment),
    _column("successor_id", sa.Text, default="", server_default=""),  # of REPLACED: the episode that replaced it
    sa.Column("next_timer_at", Moment),
    sa.Column("detail", sa.JSON),
    sa.Column("began_at", Moment),  # of an incident: when the current trouble began
    sa.Column("notice_id", sa.Text),  # of an incident: the message that reports it, if that of another account does
    sa.Column("acked", sa.JSON(none_as_null=True)),  # user and time
    sa.Column("snoozed", sa.JSON(none_as_null=True)),  # user, time and end
    sa.Column("operated", sa.JSON(none_as_null=True)),  # the newest operation on its account while it was open
    sa.Index("episode_latest", "appid", "kind", "is_latest"),
    sa.Index("episode_open", "appid", "kind", "is_latest", "state"),
    sa.Index("episode_newest", "appid", "kind", "is_latest", "account_key"),
    sa.Index("episode_account", "appid", "account_key", "invite_wx"),
    sa.Index("episode_successor", "successor_id"),
    sa.Index("episode_timer", "appid", "next_timer_at"),
    sa.Index("episode_next_timer", "next_timer_at"),
    sa.Index("episode_notice", "notice_id"),
)

# The emitted events. The primary key keeps an event from being emitted twice.
emitted_event = sa.Table(
    "emitted_event",
    metadata,
    sa.Column("episode_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("lead_seconds", sa.Integer, primary_key=True, autoincrement=False),
    _column("disposition", sa.Text),
    _column("at", Moment),
    sa.Column("message_id", sa.Text),
    sa.Index("emitted_event_message", "message_id"),
)

message = sa.Table(
    "message",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("appid", sa.Text),
    _column("kind", sa.Text),
    _column("priority", sa.Integer),
    _column("episode_ids", sa.JSON),
    _column("event_keys", sa.JSON),  # the keys of the events that it reports, for Slack's metadata
    _column("payload", sa.JSON),
    sa.Column("parent_id", sa.Text),
    _column("broadcast", sa.Boolean, default=False),
    _column("status", sa.Text),
    _column("created_at", Moment),
    _column("not_before", Moment),
    sa.Column("lease_until", Moment),
    _column("attempt", sa.Integer, default=0),
    _column("post_attempts", sa.Integer, default=0, server_default="0"),  # the other attempts were lookups
    sa.Column("started_at", Moment),  # of the newest of those
    _column("failed_lookups", sa.Integer, default=0, server_default="0"),  # without a result
    sa.Column("next_lookup_at", Moment),  # the next lookup of an unknown outcome
    sa.Column("posting_lease_until", Moment),  # the end of the posting lease; both lookups are timed from it
    _column("target", sa.Text, default="", server_default=""),  # the intended channel; "" from an earlier release
    sa.Column("channel_id", sa.Text),  # of the post
    sa.Column("ts", sa.Text),
    sa.Column("sent_at", Moment),
    sa.Column("reason", sa.Text),
    sa.Column("error", sa.Text),
    _column("text_only", sa.Boolean, default=False),
    sa.Column("applied_hash", sa.Text),  # of the content that Slack last accepted
    sa.Column("next_edit_at", Moment),
    _column("is_final", sa.Boolean, default=False),  # its episodes are closed, and it shows that
    _column("is_deleted", sa.Boolean, default=False),  # a person deleted it
    _column("breakthrough", sa.Boolean, default=False, server_default=sa.false()),  # may be posted in quiet hours
    sa.Index("message_queue", "appid", "status", "priority", "created_at"),
    sa.Index("message_target", "target", "status", "priority", "created_at"),
    sa.Index("message_editable", "appid", "status", "is_final"),
    sa.Index("message_status", "status", "is_final", "created_at"),
    sa.Index("message_parent", "parent_id"),
)

# The running processes.
process = sa.Table(
    "process",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("appid", sa.Text),
    _column("seen_at", Moment),  # by the store's clock
    sa.Column("clock_at", Moment),  # the same moment by the clock of the process
    _column("role", sa.Text, default="", server_default=""),
    sa.Column("started_at", Moment),
    _column("receives_commands", sa.Boolean, default=False, server_default=sa.false()),
    sa.Column("settings", Notes),  # by variable: a digest; processes must agree
    sa.Column("rejected", Notes),  # requests that failed the signature check
    sa.Column("reload_at", Moment),  # when the command `accounts reload` asked it to read its file again
)

# What operators did to accounts from Slack: the audit log.
operation = sa.Table(
    "operation",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("appid", sa.Text),
    _column("kind", sa.Text),
    _column("account_key", sa.Text),
    _column("wanted", sa.JSON),
    sa.Column("before", sa.JSON(none_as_null=True)),
    _column("user_id", sa.Text),
    _column("user_name", sa.Text),
    _column("episode_id", sa.Text, default=""),
    _column("view_id", sa.Text, default=""),
    _column("language", sa.Text, default=""),
    _column("submission", sa.Text),
    _column("asked_at", Moment),
    sa.Column("sent_at", Moment),
    sa.Column("lease_until", Moment),  # while open; of an unsure one: the next read of the list
    _column("attempt", sa.Integer, default=1),
    _column("polls", sa.Integer, default=0),
    _column("state", sa.Text),
    sa.Column("errcode", sa.Integer),
    sa.Column("rid", sa.Text),
    sa.Column("ended_at", Moment),
    _column("result", sa.JSON),
    sa.Index("operation_submission", "appid", "submission", unique=True),
    sa.Index("operation_asked", "appid", "asked_at"),
    sa.Index("operation_account", "appid", "account_key", "asked_at"),
)

# The Official Accounts of the installation: those of the environment and of the file as processes last loaded them,
# and those that commands have added, with what these have set. NULL: not set.
tenant = sa.Table(
    "tenant",
    metadata,
    sa.Column("appid", sa.Text, primary_key=True),
    _column("slug", sa.Text),
    _column("name", sa.Text, default=""),
    _column("origin", sa.Text),
    _column("state", sa.Text),
    _column("reason", sa.Text, default="", server_default=""),  # why it is paused
    sa.Column("source", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("mention", sa.Text),
    sa.Column("policy", Notes),  # leads, quiet, breakthrough, timezone, language, poll
    sa.Column("viewers", Notes),
    sa.Column("labels", Notes),
    _column("created_at", Moment),
    _column("changed_at", Moment),
    sa.Column("removed_at", Moment),  # its secrets are deleted then, and its rows 90 days later
    # These are of accounts that authorise a third-party platform.
    sa.Column("platform_appid", sa.Text),
    sa.Column("kind", sa.Text),  # "official" or "mini"
    sa.Column("sets", Notes),  # the permission sets that the owner has granted: numbers
    sa.Column("account_status", sa.Integer),  # WeChat's `account_status`
    sa.Column("event_at", Moment),  # CreateTime of the newest push about it; only moves forward
    sa.Column("event_kinds", sa.Text),  # of all pushes of that second, with spaces between
    sa.Column("code_until", Moment),  # the end of the sealed authorisation code
    # When the duties of the platform have something to do for it: to exchange its code, to ask WeChat about it, to
    # report its withdrawal. While a process does it, the end of the lease.
    sa.Column("duty_at", Moment),
    sa.Column("refused_since", Moment),  # the first 61003 or 61023 in a row
    sa.Column("code_lost_at", Moment),  # when its code expired or was refused, before an exchange
    sa.Column("missed_lists", sa.Integer),  # complete lists of the platform in a row that lacked it
    sa.Column("requested_by", sa.Text),  # the person in Slack who asked for the link
    sa.Index("tenant_changed", "origin", "changed_at"),
    sa.Index("tenant_duty", "duty_at"),
)

# Access tokens that processes renew in turn, each by a lease. The owner is an AppID, the value sealed.
token = sa.Table(
    "token",
    metadata,
    # A platform's row of the kind "authorizer" has no token: there all accounts wait for a spent quota.
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),  # "component" or "authorizer"
    sa.Column("value", sa.Text),
    sa.Column("expires_at", Moment),
    sa.Column("life", sa.Integer),  # seconds from its renewal to its end
    sa.Column("lease_until", Moment),  # while a process renews it
    _column("fence", sa.Integer, default=0, server_default="0"),  # rises with each claim and each completion
    _column("failures", sa.Integer, default=0, server_default="0"),  # renewals in a row that failed
    sa.Column("next_try_at", Moment),  # no process renews it before
    sa.Column("errcode", sa.Integer),  # the refusal of the last renewal, if it failed by one
)

# The third-party platform, and what WeChat last said of it.
platform = sa.Table(
    "platform",
    metadata,
    sa.Column("appid", sa.Text, primary_key=True),
    sa.Column("ticket_at", Moment),  # CreateTime of the ticket; only moves forward
    sa.Column("pushed_at", Moment),  # when it arrived: its age counts from here
    sa.Column("started_at", Moment),  # when WeChat was last asked to push tickets
    sa.Column("listed_at", Moment),  # the end of the last complete list of authorised accounts
    sa.Column("listing_until", Moment),  # while a process reads that list
    sa.Column("refused_at", Moment),  # when WeChat last refused a platform's token before its time
    sa.Column("rival_at", Moment),  # the second such refusal within an hour: another system renews the token
    sa.Column("fault", Notes),  # the last error that concerns the whole platform, until a success
    sa.Column("fault_at", Moment),
    sa.Column("next_call_at", Moment),  # no call of the platform before
    sa.Column("incident", sa.Text),  # the id of the newest, a row of `episode`
)

# Secrets, sealed by STORE_KEYS. The owner is an AppID.
secret = sa.Table(
    "secret",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),  # see `sealed_secrets`
    _column("value", sa.Text),
    _column("key_id", sa.Text),  # of the key that has sealed it
    _column("changed_at", Moment),
    sa.Index("secret_key", "key_id", "owner", "name"),
)

# The pace of posts to a channel, and whether Slack accepts them. The row "*" has the pace of the whole workspace.
channel = sa.Table(
    "channel",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("next_post_at", Moment),  # one post per second; also the end of a pause after a 429 or a refusal
    sa.Column("paused_at", Moment),  # when that was written: a clock that was ahead must not stop the queue
    sa.Column("blocked_by", sa.Text),  # the error that blocks the queue
    sa.Column("slack_error", sa.Text),  # Slack's last error, until a success
    sa.Column("slack_error_since", Moment),
    _column("slack_reading", sa.Boolean, default=False, server_default=sa.false()),  # while reading the history
    sa.Column("block_reported_at", Moment),  # in the default channel
    sa.Column("next_edit_at", Moment),  # of the whole workspace
)

# What all Official Accounts depend on: WeChat (id "wechat"), and whether it answers.
source = sa.Table(
    "source",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("failed_polls", sa.Integer, default=0),  # without an answer, in a row, of all accounts
    _column("failing", sa.JSON),  # the AppIDs of these, some of them
    sa.Column("since", Moment),  # the first of them
    sa.Column("probe_at", Moment),  # the next probe during an outage; NULL: polls go on
    _column("good_polls", sa.Integer, default=0),  # answered probes in a row
    sa.Column("incident", sa.Text),  # the id of the newest, a row of `episode`
)

# The language that people chose in App Home.
reader = sa.Table(
    "reader",
    metadata,
    sa.Column("appid", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    _column("language", sa.Text),
)
