"""From an event to a message: pure.

Chats read commands out of plain text: mentions of everybody, links behind other words, HTML. What guests
typed is made harmless for all of them alike, because one sink may write to several.
"""

import re
from dataclasses import dataclass

from adapters.notify.config import NotifyConfig
from adapters.templates import cut, event_fields, without_markup
from events.envelope import Envelope

VALUE_LIMIT = 300
"""Characters of one value that a guest typed."""

TITLE_LIMIT, BODY_LIMIT = 250, 2000
"""The least that the services apprise knows let through unsplit."""

_WORD_JOINER = "\u2060"
_MENTION = re.compile(r"@(?=everyone|here|channel|all\b)|(?<![\w.+-])@(?!\u2060)", re.IGNORECASE)
_HIDDEN_LINK = re.compile(r"\](?=[(\[])")


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent; the same for the same event."""

    title: str
    body: str


def message_of(envelope: Envelope, config: NotifyConfig, timezone: str) -> Message:
    """The texts filled in; a text whose fields are all empty says at least what happened."""
    fields = event_fields(envelope, timezone)
    title, body = (
        text.render(fields, escape=harmless, limit=VALUE_LIMIT, single_line=True).strip()
        for text in (config.title, config.body)
    )
    return Message(
        cut(" ".join(title.split()), TITLE_LIMIT), cut(body, BODY_LIMIT) or str(fields["event.label"])
    )


def harmless(text: str) -> str:
    """The text as people see it, without power over a chat or a browser.

    No `<...>` is left (HTML, `<!channel>`), `@` mentions nobody, and no address hides behind other words;
    a mail address stays one.
    """
    text = _MENTION.sub("@" + _WORD_JOINER, without_markup(text))
    return _HIDDEN_LINK.sub("]" + _WORD_JOINER, text)
