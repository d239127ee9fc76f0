"""
What `init` writes: a rule file to begin with, and the variables that it uses.

The values of `.env` are read by three: a shell (`. ./.env`), systemd (`EnvironmentFile=`) and container engines
(`--env-file`). The last take quotes as part of the value, so a value gets them only where a shell needs them.
"""

from __future__ import annotations

import json
import re
import shlex

SCHEMA = "rules.schema.json"
MODELINE = f"# yaml-language-server: $schema={SCHEMA}"
"""The first line of a rule file whose JSON Schema lies beside it: editors look for it there."""

SOURCE = "spaces"
DESTINATION = "news"

SLACK_PLACEHOLDER = "https://hooks.slack.com/services/T00000000/B00000000/put-your-own-here"

_PLAIN_HOST = re.compile(r"[A-Za-z][A-Za-z0-9-]*\.[A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9.-]*")

_SITE_PLACEHOLDER = "# site: acme.teamwork.com       # the host name of your site, for the links in messages"

_RULES = """\
MODELINE
# The rule file of Spaces Router: who sends, where messages go, and which events go where.
#
# `spaces-router check --strict` says what is wrong with it. A running router takes the file by itself when you save it;
# one with mistakes changes nothing. `spaces-router events` lists the events that Spaces can send.
#
# ${NAME} stands for the variable NAME of the environment. Both that are used here are in the file .env beside this one;
# load it before you start the router: set -a; . ./.env; set +a

# ----- Who sends. Each source has an address of its own: this one is POST /hooks/spaces
sources:
  spaces:
    token: ${SPACES_TOKEN}          # the same as in the settings of the webhook in Spaces
    SITE

# ----- Where messages go.
destinations:
  news:
    type: slack
    url: ${SLACK_URL}               # an incoming webhook of your Slack: one for each channel
  log:                              # the router's own log
    type: log

  # Any other program that takes HTTP gets the events as they came, signed with a token of its own:
  #
  # audit:
  #   type: http
  #   url: https://audit.example.com/events
  #   sign: ${AUDIT_TOKEN}
  #
  # A mailbox, for those who look after the router:
  #
  # admins:
  #   type: email
  #   smtp: smtp://mail.example.com:587
  #   username: spaces-router
  #   password: ${MAIL_PASSWORD}
  #   from: spaces-router@example.com
  #   to: ops@example.com

# ----- Who is told when a message could not be delivered, signatures are wrong, or this file has mistakes.
# defaults:
#   alerts: admins

# ----- Which events go where. Every rule that matches sends; take out what you do not want to read.
rules:
  - name: pages
    events: [page.created, page.updated, page.updated.*]
    except: page.updated.trashed    # that one is for the rule below
    # unless:
    #   actor.email: {ends_with: "@bots.example.com"}
    to: news

  - name: removals
    events: ["*.deleted", page.updated.trashed]       # a text that begins with * needs quotes
    except: pagepermission*.deleted
    to: news

  - name: comments
    events: comment.created
    to: news

  - name: everything else           # what no other rule took
    events: "*"
    unmatched: true
    to: log

# ----- What the rules are expected to do: `spaces-router test` says whether they do it. Nothing is sent for that.
tests:
  - name: a page that was saved is news
    event: page.updated
    to: news
    text: Release checklist         # stands in the message; it is the title of the sample that is used here

  - name: what happens to people is not
    event: user.disabled
    to: log
"""

_ENV = """\
# The variables that rules.yaml uses. Whoever reads this file can post in your name: keep it out of version control.
#
# In a shell:        set -a; . ./.env; set +a
# Under systemd:     EnvironmentFile=/path/to/.env
# In a container:    --env-file .env

# The token of the webhook in Spaces, made at random for this file. Enter it there as it stands here.
SPACES_TOKEN={token}

{about_slack}
SLACK_URL={slack_url}
"""

_GIVEN_SLACK = "# The incoming webhook of your Slack that messages are posted to."

_NO_SLACK_YET = """\
# The incoming webhook of your Slack that messages are posted to. This one is a placeholder, which Slack refuses: put
# your own in its place. Slack makes one at https://api.slack.com/messaging/webhooks, for one channel."""


def rules_text(site: str | None) -> str:
    """
    Write the rule file.

    Args:
        site: Host name of the Teamwork site; without one its line is a comment that shows how it is given.
    """
    line = _SITE_PLACEHOLDER if site is None else f"site: {site if _PLAIN_HOST.fullmatch(site) else json.dumps(site)}"
    return _RULES.replace("SITE", line).replace("MODELINE", MODELINE)


def env_text(token: str, slack_url: str | None) -> str:
    """
    Write the variables.

    Args:
        slack_url: One that `is_writable`; without one there is a placeholder and how to get one.
    """
    return _ENV.format(
        token=shlex.quote(token),
        about_slack=_NO_SLACK_YET if slack_url is None else _GIVEN_SLACK,
        slack_url=shlex.quote(slack_url or SLACK_PLACEHOLDER),
    )


def is_writable(value: str) -> bool:
    """Tell whether a shell and systemd read the same from a line of `.env`: no quotes, backslashes and line breaks."""
    return value.isascii() and value.isprintable() and not set(value) & set("'\"\\ ")
