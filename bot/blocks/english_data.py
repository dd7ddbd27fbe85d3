"""English texts of other modules that are translated where they are shown, for `make words` to collect.

The client's advice, Slack's error codes and the hosts are data for readers of logs and terminals as well. A test
compares these lists with them.
"""

from __future__ import annotations

from bot.language import gettext_noop

ADVICE = (  # wechat_kf.advice
    gettext_noop(
        "WeChat refused the access token and the one after it. Wait ten minutes. If it stays, "
        "check whether another system renews this account's token (let it use stable_token as "
        "well), then whether AppID and AppSecret belong together. Both are on WeChat's developer "
        "platform (the account, basic information, development keys)."
    ),
    gettext_noop("WeChat is busy. Wait some seconds and try again, a few times at most."),
    gettext_noop("Too many calls in a minute. Wait a minute."),
    gettext_noop("Too many messages to one customer. Wait until they answer."),
    gettext_noop(
        "The platform's ticket is out of date. A new one comes every 10 minutes, if the event URL "
        "answers `success` within 5 seconds: check that it does."
    ),
    gettext_noop(
        "WeChat reports a system error. Wait some seconds and try again. A test account always "
        "answers so: it has no customer service."
    ),
    gettext_noop("This person is invited already. Wait for the answer or the deadline."),
    gettext_noop("The seat has an open invitation. Wait for the answer or the deadline."),
    gettext_noop(
        "The daily quota is spent; every system of this account shares it. Wait until tomorrow. "
        "If it returns, ask less often, find the other caller (quota/get), or have a person reset "
        "the quota: 10 times a month at most."
    ),
    gettext_noop("Check the AppID: stray spaces, upper and lower case, another account's."),
    gettext_noop(
        "Enter the AppSecret anew. It was reset, or belongs to another account. It is on WeChat's "
        "developer platform (the account, basic information, development keys)."
    ),
    gettext_noop(
        "Add the refused address to the API IP allow-list of this very account on WeChat's "
        "developer platform (the account, basic information, development information). It takes "
        "some minutes to work."
    ),
    gettext_noop("The AppSecret is frozen. Thaw it on WeChat's developer platform and wait 10 minutes."),
    gettext_noop(
        "This account may not use the interface. Check in the WeChat console that the account has "
        "passed verification and that customer service is on. With the token of a third-party "
        "platform, the owner must have granted one of the permission sets 1, 6, 19 or 100-101."
    ),
    gettext_noop("The interface is banned for this account. Read the notice in the WeChat console."),
    gettext_noop("The account is restricted, blocked or closed. See the WeChat console."),
    gettext_noop("The account may not obtain tokens. See the notice in the WeChat console."),
    gettext_noop("The account is frozen. See the notice in the WeChat console."),
    gettext_noop(
        "This AppID is not that of a third-party platform, or does not belong to the token. Check "
        "the platform's AppID and AppSecret."
    ),
    gettext_noop("The owner has not authorised this third-party platform. Have them authorise it again."),
    gettext_noop("Add the refused address to the IP list of the third-party platform, and publish that."),
    gettext_noop(
        "The owner has not granted the interface to the third-party platform. Have them authorise "
        "it again with one of the permission sets 1, 6, 19 or 100-101; an Official Account must "
        "also have passed verification."
    ),
    gettext_noop(
        "The authorisation code has been used or has expired. Have the owner authorise the "
        "third-party platform again, by a new link."
    ),
    gettext_noop(
        "The refresh token is invalid: the owner has withdrawn the authorisation, or authorised "
        "again. If the list of accounts has no newer token, have the owner authorise the "
        "third-party platform again."
    ),
    gettext_noop(
        "This is the AppID of a third-party platform, which gets its tokens in another way. Set "
        "it as the platform's AppID, not as an account's."
    ),
    gettext_noop(
        "The third-party platform is not published, so only accounts on its test list can "
        "authorise it. Add the account to this list, or publish the platform."
    ),
    gettext_noop(
        "Customer service is off, or was switched on minutes ago. Switch it on in the WeChat "
        "console, wait some minutes, try again."
    ),
    gettext_noop("Nobody is bound to this seat. Invite someone."),
    gettext_noop("This person holds too many seats. They must leave one, or choose another person."),
    gettext_noop("The seat is not online. The person must log in to the web client."),
    gettext_noop(
        "WeChat has asked the account's administrator to consent to this server's address. Have "
        "them consent, or put the address on the API IP allow-list on WeChat's developer platform "
        "(the account, basic information, development information); then try again."
    ),
    gettext_noop(
        "The administrator refused this server's address repeatedly: nothing helps for 24 hours, "
        "except to put the address on the API IP allow-list on WeChat's developer platform (the "
        "account, basic information, development information)."
    ),
    gettext_noop(
        "The administrator refused this server's address: nothing helps for an hour, except to "
        "put the address on the API IP allow-list on WeChat's developer platform (the account, "
        "basic information, development information)."
    ),
    gettext_noop("The grant_type is wrong. Report it as a bug."),
    gettext_noop("The OpenID belongs to nobody who follows this account."),
    gettext_noop("Use a smaller picture, as JPG."),
    gettext_noop("The body held \\u escapes where WeChat wants UTF-8. Report it as a bug."),
    gettext_noop("The call has wrong parameters, or is not for this kind of account. Report it as a bug."),
    gettext_noop("Check the spelling of the WeChat ID: the person's own, no phone number, no nickname."),
    gettext_noop("The access token was missing from the call. Report it as a bug."),
    gettext_noop("The AppID was missing from the call. Check the settings."),
    gettext_noop("The AppSecret was missing from the call. Check the settings."),
    gettext_noop("The upload held no file in the field `media`. Report it as a bug."),
    gettext_noop("The call used the wrong HTTP method or no HTTPS. Report it as a bug."),
    gettext_noop("The receiver does not follow this account."),
    gettext_noop("The body of the call was empty or no JSON. Report it as a bug."),
    gettext_noop("The quota resets of this month are used up. Wait for the next month."),
    gettext_noop(
        "The call had the platform's token instead of the account's, or the other way round. Report it as a bug."
    ),
    gettext_noop(
        "There is no such account. Check the part after the @; a seat that was added by WeChat ID "
        "may have no kf_account."
    ),
    gettext_noop("This kf_account exists already. Choose other characters before the @."),
    gettext_noop(
        "Choose up to 10 letters, digits or underscores before the @, and put the Official "
        "Account's WeChat ID after it."
    ),
    gettext_noop("The account has as many seats as it may. Delete those that nobody uses."),
    gettext_noop("Choose a nickname of up to 16 characters."),
    gettext_noop("This person has a seat of this account already. Nothing to do, or choose another person."),
    gettext_noop("The seat is bound. To give it to someone else, delete it and add it again."),
    gettext_noop("The customer has no open conversation."),
    gettext_noop("Another seat serves this customer."),
    gettext_noop("The query for records is invalid. Report it as a bug."),
    gettext_noop("The query for records spans more than 24 hours. Ask for less."),
    gettext_noop("WeChat does not know this rid: it keeps them for 7 days."),
    gettext_noop("This is not a rid. Copy it again from the error."),
    gettext_noop("The rid or the path belongs to another account, or the path is malformed."),
    gettext_noop("WeChat does not know this path. It begins with / and names no host."),
    gettext_noop("This kind of token does not own the interface."),
)

UNREADABLE = gettext_noop("an answer that is no JSON object")  # bot.slack.error_codes

SLACK_ERRORS = (  # bot.slack.error_codes
    gettext_noop("the bot token is not valid"),
    gettext_noop("put the present token into SLACK_BOT_TOKEN and restart."),
    gettext_noop("it is a token of another kind"),
    gettext_noop("put the bot token (xoxb-…) into SLACK_BOT_TOKEN and restart."),
    gettext_noop("the app lacks a permission"),
    gettext_noop("install the app again from its manifest."),
    gettext_noop("access is denied"),
    gettext_noop("ask an admin of the workspace to allow the app."),
    gettext_noop("the workspace or the app takes calls from listed addresses only"),
    gettext_noop("the workspace does not let the app be used"),
    gettext_noop("the admins have suspended messages to this channel"),
    gettext_noop("the organisation restricts this call"),
    gettext_noop("the workspace may not use Socket Mode"),
    gettext_noop("the workspace is being moved to an organisation"),
    gettext_noop("wait until the move is over."),
    gettext_noop("the organisation has not granted the app to this workspace"),
    gettext_noop("two-factor authentication must be set up first"),
    gettext_noop("the app is not a member"),
    gettext_noop("type /invite @wechat-kf there. What is still true then follows."),
    gettext_noop("it is private and the app is not a member, or it does not exist"),
    gettext_noop("the app is not a member, or lacks a permission"),
    gettext_noop("it is archived"),
    gettext_noop("unarchive it, or choose another SLACK_ALERT_CHANNEL and restart."),
    gettext_noop("it is archived or frozen"),
    gettext_noop("access to it is limited"),
    gettext_noop("let the app in, or choose another SLACK_ALERT_CHANNEL and restart."),
    gettext_noop("it is the app's own Messages tab, which is off"),
    gettext_noop("choose another SLACK_ALERT_CHANNEL and restart."),
    gettext_noop("its workspace is not found"),
    gettext_noop("set SLACK_ALERT_CHANNEL to the ID of a channel where the app is installed, and restart."),
    gettext_noop("the workspace has sent more messages than its plan allows"),
    gettext_noop(
        "look at the usage limits of the workspace. What is still true follows when Slack takes messages again."
    ),
    gettext_noop("Slack does not offer this request any more"),
    gettext_noop("update the bot, and check SLACK_API_URL."),
    gettext_noop("the workspace or the channel does not let the app post"),
    gettext_noop(
        "allow it in the channel's posting permissions, or choose another SLACK_ALERT_CHANNEL and restart."
    ),
)

FIXED_ADDRESSES = (  # bot.hosting
    gettext_noop("a proxy add-on such as Fixie or QuotaGuard Static"),
    gettext_noop("an egress address (fly ips allocate-egress)"),
    gettext_noop("static outbound IPs in the settings of the service"),
    gettext_noop("the outbound addresses that its dashboard lists, or a proxy with a fixed one"),
)
