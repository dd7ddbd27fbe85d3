"""Everything that people read, as values. A `ports.Message` goes out; nothing here asks a clock, WeChat or Slack.

words       text (foreign text made harmless), times, values (what a click sends back)
shapes      kit (Block Kit), rows and pages (lists), members (rows of episodes)
data        reading (one read of WeChat), search, status
/kf         overview, accounts, found, details, report (status), replies (help, odd buttons)
trouble     troubles (the words), failures (as an answer), health (as a notice)
channel     channel (which message is which), alerts, threads, summaries
"""
