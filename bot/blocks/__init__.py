"""Everything that people read, as values. A `ports.Message` goes out; nothing here asks a clock, WeChat or Slack.

words       text (foreign text made harmless), times, people, values (what a click sends back)
shapes      kit (Block Kit), rows and pages (lists), members (one episode), crowd (many in one root)
data        reading (one read of WeChat), search, status
/kf         overview, accounts, found, details, timeline, report (status), replies (help, odd buttons)
trouble     troubles (the words), failures (as an answer), health (as a notice, and in its thread)
channel     channel (which message is which), look (what all share), sentences (one invitation in words)
roots       alerts (one problem), summaries (a digest, the first run), morning (after quiet hours)
threads     threads (events, names), deeds (what people did)
"""
