"""apprise behind one typed function; it tells only whether a service took the message."""

import asyncio
import logging
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from apprise import Apprise, AppriseAsset, NotifyFormat

from adapters.errors import TransientError

# These write addresses and messages into their logs.
_TALKATIVE = ("apprise", "urllib3", "requests")

_MAIL = ("mailto", "mailtos")
_RECIPIENTS = ("to", "cc", "bcc")


def is_known(address: str) -> bool:
    """Whether apprise has a service for this address; nobody is called."""
    _quiet()
    return bool(Apprise(asset=_asset()).add(address))


def letter_address(address: str, to: str) -> str | None:
    """The same mail account writing to one person instead of its own recipients; None if it is no mail.

    Recipients stand in the path and in `to`, `cc` and `bcc` of apprise's mail addresses.
    """
    parts = urlsplit(address)
    if parts.scheme not in _MAIL:
        return None
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in _RECIPIENTS]
    query = urlencode([*kept, ("to", to)])
    return urlunsplit((parts.scheme, parts.netloc, "/", query, ""))


class Messenger:
    """One address, and the service behind it."""

    def __init__(self, address: str) -> None:
        _quiet()
        self.service = urlsplit(address).scheme
        self._apprise = Apprise(asset=_asset())
        self._apprise.add(address)
        if self.service in _MAIL:
            # apprise waits 5.5 s between two letters, a default it has for no mail server in particular; how
            # fast a sink may be is its `rate`.
            for service in self._apprise:
                service.request_rate_per_sec = 0

    async def send(self, *, title: str, body: str) -> None:
        """Hand the message over; TransientError if the service did not say that it took it.

        It may have taken it all the same: apprise does not tell a lost answer from a refusal.
        """
        # In a thread: some services keep their connection in a loop of their own.
        taken = await asyncio.to_thread(
            self._apprise.notify, body=body, title=title, body_format=NotifyFormat.TEXT
        )
        if not taken:
            raise TransientError(f"the service behind {self.service}:// did not take the message")


def _asset() -> AppriseAsset:
    """Neither stores anything on disk nor retries by itself nor follows redirects; a name of our own."""
    return AppriseAsset(
        app_id="bookinghub",
        app_desc="booking hub",
        async_mode=False,
        http_redirects=False,
        secure_logging=True,
    )


def _quiet() -> None:
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
