"""Who the sink is to Google: the token to send, from whatever the settings name."""

import json
import threading
from pathlib import Path
from typing import Any

import google_auth_httplib2
import httplib2
from google.oauth2.credentials import Credentials as UserCredentials
from google.oauth2.service_account import Credentials as ServiceAccountCredentials

from adapters.errors import AuthError
from adapters.google_calendar.config import Credentials

SCOPES = ("https://www.googleapis.com/auth/calendar.events",)


class Identity:
    """Gives the token to send. Blocking; one refresh at a time.

    Not `AuthorizedHttp`: for a service account it also asks another Google service in a thread of its
    own, over a transport that belongs to one thread.
    """

    def __init__(self, config: Credentials) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._loaded: Any = None

    def token(self, transport: httplib2.Http) -> str:
        if self._config.access_token is not None:
            return self._config.access_token.get_secret_value()
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            if not self._loaded.valid:
                self._loaded.refresh(google_auth_httplib2.Request(transport))
            return str(self._loaded.token)

    def renewed(self, transport: httplib2.Http) -> str | None:
        """A new token instead of one that was refused; None if there is no way to get one."""
        if self._config.access_token is not None:
            return None
        with self._lock:
            self._loaded = self._load()
        return self.token(transport)

    def _load(self) -> Any:
        service_account = self._config.service_account_file
        file = service_account or self._config.authorized_user_file
        kind: Any = ServiceAccountCredentials if service_account else UserCredentials
        try:
            members = json.loads(Path(str(file)).read_bytes())
            if service_account:
                return kind.from_service_account_info(members, scopes=SCOPES)
            return kind.from_authorized_user_info(members, scopes=SCOPES)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise AuthError(f"credentials: {file} cannot be used ({type(error).__name__})") from error
