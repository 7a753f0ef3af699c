"""The event log and the inbox in JetStream, the embedded server, and the sealing of personal members."""

from hub.log.broker import LogConnection, connect
from hub.log.embedded import EmbeddedServer
from hub.log.event_log import AppendedBatch, EventLog, LogState, NewEvent
from hub.log.inbox_consumer import InboxConsumer
from hub.log.inbox_log import InboxLog, NewReceipt, StoredReceipt
from hub.log.locks import HubLock
from hub.log.news import Doorbell
from hub.log.privacy import Privacy
from hub.log.recovery import kept_storing
from hub.log.server_files import ServerAddress
from hub.log.streams import OpenedLog, log_owner, open_streams, set_epoch

__all__ = [
    "AppendedBatch",
    "Doorbell",
    "EmbeddedServer",
    "EventLog",
    "HubLock",
    "InboxConsumer",
    "InboxLog",
    "LogConnection",
    "LogState",
    "NewEvent",
    "NewReceipt",
    "OpenedLog",
    "Privacy",
    "ServerAddress",
    "StoredReceipt",
    "connect",
    "kept_storing",
    "log_owner",
    "open_streams",
    "set_epoch",
]
