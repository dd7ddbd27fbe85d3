"""The playground: a page with a Slack workspace, a WeChat console and the wire between them, and the real bot.

| file | holds |
| --- | --- |
| `run` | `python -m bot demo`: starts all of it, opens the browser, leaves nothing behind |
| `sandbox` | the simulated WeChat, the Slack simulator and the bot, as one |
| `desktop` | the browser and the time zone of this machine |
| `shared_clock` | the clock of the sandbox, which may run faster than real time |
| `clocked_bot` | the process of the bot, on that clock |
| `supervisor` | restarts the bot, as a host does |
| `wechat_console` | what people do in WeChat, and what goes wrong there and at Slack |
| `platform_consents` | what owners of accounts do about the bot's third-party platform |
| `public_address` | the address of that platform, and WeChat's page of consent |
| `consent_page` | the HTML of that page |
| `people` | the users of the workspace, with their languages and time zones |
| `suggestions` | what the composer offers after a slash |
| `installations` | the Official Accounts that the bot watches: one, three brands, or a platform with two shops |
| `presets` | what is in them to start from |
| `traffic` | each request and answer, without secrets |
| `serializers`, `snapshot` | the state, in the format of the page |
| `event_stream` | server-sent events, for every open page |
| `user_actions` | what the page can ask for, by name |
| `view_actions` | that of it which is about windows and App Home |
| `request_details` | what such a request names |
| `origin_guard` | the pages that may ask a server here |
| `site_server` | HTTP for the page: loopback only, strict about who asks |
| `page/` | the page: one HTML file, style sheets, ES modules |
"""
