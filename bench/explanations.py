"""Explanations of the figures for users of the bot, and of the improvements that were tried."""

from __future__ import annotations

ACKNOWLEDGEMENTS = """
Slack gives an app 3 seconds to acknowledge a command; then the user sees `operation_timeout`. The
acknowledgement is the time from sending a signed `/kf` over loopback to its 200, measured by a client in a
separate process. The bare app is an ordinary Bolt app that only acknowledges. The two apps alternate, so that a
busy machine slows both; each figure is the median of five rounds of a thousand. The ratio therefore shows the
cost of the guard (size, form, signature, replays) and of the work that the bot does after the 200: it displaces
the processor's caches, which alone accounts for about 0.08. On 2026-11-26 the ratio of the p50 was 1.17 in the
whole run, and 1.1 when only this was measured; the reason was not found.

A tick per second is three hundred times the usual rate. Some acknowledgements then wait for a part of a poll.
Users do not notice it.

What was tried: starting the answer 2 ms after the 200 changed nothing, since the 200 is sent in the same step
of the event loop; neither did switching off the parts of Bolt that no command needs. Less code before the 200
helped: no second parsing of an ASCII form, no timer for a body that has arrived, and a direct call of Bolt
instead of its own web application and a middleware.
"""

REPLIES = """
The time that a user waits: from the command to the arrival of the answer at its `response_url`, with WeChat on
the same machine, so that only the bot counts. Over the internet WeChat's response takes a tenth of a second or
more, which hides the difference. The handler without Bolt checks the signature, acknowledges, polls WeChat with
the same client, renders the same blocks and posts them, and nothing else: no guard, no log, no store. The types of
the blocks of the two answers are compared and must be equal. The bot polls WeChat for each of these commands, as
for a single one; in practice those within five seconds share a poll. In the run of 2026-11-26 the ratio is 0.01
above its bound.
"""

MODALS = """
Slack gives an app 3 seconds to open a modal after a click, and as long to answer a submitted form. The click is
one on *Invite somebody*: the bot acknowledges it, and then checks the right of the person, renders the form and
opens it. The bare app is the ordinary Bolt app, which acknowledges and then opens the same view. Slack is a
server that accepts every call, since both apps call it with triggers of the client.

The form renames an account. Its answer has the result, so in between the bot commits the operation, reads the
list, commits again, sends the change, commits WeChat's answer, reads the list once more and commits the
outcome with its message. Each of the three answers of WeChat takes a tenth of a second here, and the access
token is known. What is left is the bot, its database and HTTP.
"""

POLLS = """
A poll reads the list, compares it with the stored state and saves the changes; here nothing has changed, which
is the usual case. Every five minutes this takes less than a ten-thousandth of a core. The closed episodes are
years of a busy account, half of them of deleted accounts: closed episodes must not slow down open ones. After
each poll, and every five seconds, an edit pass checks whether a sent message must change.

What was tried: each transaction opened SQLite, with a thread, a file and pragmas; a kept connection costs less.
A statement went to that thread three or four times (cursor, execute, fetch, close), and each time the processor
has to wake up; a cursor that is opened by executing and has nothing to close halves that. The claim of a poll
returns what a second query asked for, and the largest queries are built once. The newest episode of every
account was searched, which 10,000 closed episodes made half as slow again; two indexes, and two queries in
place of one, fixed that. Unchanged values are no longer copied, a poll without a change writes less, and a pass
with nothing to send makes one query. The rest is WeChat's response over httpx (a quarter), the queries, and the
rules (a tenth). An idle machine needs more CPU for the same work than a busy one: it has to wake up for each
step.
"""

MEMORY = """
Eight users send commands of all kinds without a pause until all are answered. The smallest dynos have 512 MB.
Flat means that the last third of the commands adds less than two megabytes. The record of signed requests,
which prevents replays, is deleted after five minutes.

About 58 MB are the code of the packages. The bound was exceeded on 2026-11-26, by 7.5 MB: the measured process
imported packages that no deployment has (4 MB), Alembic imported the lexers of Pygments (4.6 MB), and each signed
request was remembered in 100 bytes (4 MB). The names of the database's files were interned for each transaction;
Python's table of such strings grew to twice 4 MB by that.
"""

STARTUP = """
The duration of a restart during which no other process receives commands, and the time before the playground is
usable.
"""

FLEET = """
10,000 Official Accounts in a file, with 20 accounts each, of which nothing changes. WeChat is a process of its own
that answers after 30 ms and records each poll on arrival, so that those of a killed process count. PostgreSQL has
its default settings and runs on the same machine, on two cores with all the simulators. The bot is a `worker`,
with 64 polls at a time; only the start is that of a `web` process.

Every account is polled three times before the steady state: only then is its list known as one that changes
nothing. In it the accounts become due one after another; the lateness is the time from the due time in the
database to the arrival. Then all become due at once, twice for one process, and once for two, of which one is
killed when a third of the accounts have been polled. The accounts that it had claimed are polled again after the
lease of a minute. The bound of the catch-up is what 64 slots need for WeChat alone. Unchanged polls of a process
are recorded together, which costs an eighth of their evaluation.

This is the default backend. `make fleet` measures each installed one, for ten minutes of the steady state, and
then what is posted in a storm, at a first run and in an outage. With `QUEUE_BACKEND=procrastinate` each poll has
the transactions that insert, fetch, claim and delete its job as well: with 1,000 accounts that are due every
minute, on a machine that did much else (2026-11-26), a poll took 2.0 times the CPU of the process and 1.9 times
that of the database, and 8.9 of the 16.7 polls that were due each second were made.

The run of 2026-11-27 was on a slow machine: hours before, one account started in 0.75 s, and 10,000 of a file in
1.56 s. Five starts right after it had a median of 1.39 s with the accounts in a file, and of 1.09 s with the
accounts in the database; these are read after `/healthz` has answered.

The killed process had no poll without an answer at that moment, so no account waited for a lease. Repeats were
counted only until the last account was polled; they are counted until the end of the lease now. In a run of
2026-11-26 all were polled after 61 s, and 28 polls were repeated.
"""
