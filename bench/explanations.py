"""What the figures mean for whoever uses the bot, and what was tried where it was not enough."""

from __future__ import annotations

ACKNOWLEDGEMENTS = """
Slack gives an app 3 seconds to acknowledge a command, then the person reads `operation_timeout`. The
acknowledgement is the time from sending a signed `/kf` over loopback to its 200, seen by a client in a process
of its own. The bare app is Bolt as anybody writes it, and does nothing but acknowledge. The two take turns, so
that a busy machine slows both; each figure is the median of five rounds of a thousand. So the ratio is what the
guard costs (size, form, signature, replays), and what it costs that the bot really does something afterwards:
it leaves the caches of the processor cold, which alone is worth some 0.08.

A tick a second is three hundred times the usual pace: then some acknowledgements have to wait for a part of a
look. Nobody feels it.

What was tried: to start the answer only 2 ms after the 200 changed nothing, since the 200 leaves in the same
step of the loop already; nor did it to switch off the parts of Bolt that no command needs. What did help was
less code before the 200: no second parsing of a form in plain letters, no timer for a body that is there
already, and Bolt called directly instead of through its own web application and a middleware.
"""

REPLIES = """
What a person waits for: from the command to the answer's arrival at its `response_url`, with WeChat on the same
machine, so that only the bot counts. Over the internet WeChat's own answer takes a tenth of a second or more,
and the difference disappears in it. The handler without Bolt checks the signature, acknowledges, reads WeChat
with the same client, renders the same blocks and posts them, and nothing else: no guard, no log, no store. The
two answers are compared, and have to be the same. The bot reads WeChat for each of these commands, as it does
for one that comes alone; in daily life those that come within five seconds share a read.
"""

LOOKS = """
A look reads the list, compares it with what is known and writes down what follows; nothing has changed, as
nearly always. Every five minutes this is less than a ten-thousandth of a core. The closed episodes are years of
a busy account, half of them of seats that are gone: what is over must not slow down what is not. After each
look, and every five seconds, a pass over the told messages sees whether one has to change.

What was tried: each transaction opened SQLite anew, with a thread, a file and pragmas; one connection that is
kept costs less. A statement went to that thread three or four times (cursor, execute, fetch, close), and each time
the processor has to be woken; a cursor that is opened by executing and has nothing to close halves that. The
claim of a poll says in its own answer what a second question asked, and the largest questions are put together
once.
The newest of every seat that ever was were walked through, which 10,000
closed episodes made half as slow again; two indexes, and two questions where there was one, ended that. Values
that stay as they are are no longer copied, a look without a change writes less, and a pass with nothing to send
asks once. What is left is WeChat's answer over httpx (a quarter), the questions to the store, and the rules
themselves (a tenth). An idle machine needs more CPU for the same than a busy one: it has to be woken for each
step.
"""

MEMORY = """
Eight people ask without a pause, commands of all kinds, until all are answered. The smallest dynos have 512 MB.
Flat means that the last third of the commands adds less than two megabytes: what is remembered of signed
requests, so that none is carried out twice, goes after five minutes.
"""

BEGINNINGS = """
How long a restart is felt when nothing else takes the commands meanwhile, and how long somebody who tries the
playground out looks at a terminal.
"""
