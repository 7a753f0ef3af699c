"""What keeps a command from being done.

HubError
└── RefusedCommandError   it was not done, or nobody knows; `code` is a problem of the HTTP API
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hub.errors import HubError


class RefusedCommandError(HubError):
    """Says why in one line; `pointer` names the member of the request it is about, `next` a command.

    `extra` are members of the problem beside the usual ones, such as the operation that finds out.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        pointer: str | None = None,
        next: str | None = None,
        retry_after: timedelta | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.next = next
        self.retry_after = retry_after
        self.extra = dict(extra or {})


def invalid(pointer: str, detail: str) -> RefusedCommandError:
    """The request asks for something that cannot be meant."""
    return RefusedCommandError("invalid", detail, pointer=pointer)
