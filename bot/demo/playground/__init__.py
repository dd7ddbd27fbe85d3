"""The playground: a page with a Slack workspace, a WeChat console and the wire between them, and the real bot.

| file | holds |
| --- | --- |
| `run` | `python -m bot demo`: starts all of it, opens the browser, leaves nothing behind |
| `world` | the simulated WeChat, the Slack stand-in and the bot, as one |
| `desktop` | the browser and the time zone of this machine |
| `clock` | the time they live in, which may run faster than ours |
| `clocked` | the process that the bot runs in: the bot itself, in that time |
| `keeper` | keeps it alive, as a host does |
| `console` | what people do in WeChat, and what goes wrong there and at Slack |
| `presets` | whole Official Accounts to start from |
| `wire` | each request and answer, without secrets |
| `views`, `snapshot` | all of it as the page reads it |
| `feed` | what happens, for every page that listens |
| `actions` | what the page can ask for, by name |
| `site` | HTTP for the page: loopback only, strict about who asks |
| `page/` | the page: one HTML file, style sheets, ES modules |
"""
