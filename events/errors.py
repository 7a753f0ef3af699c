"""What can go wrong while reading events back.

EventError
├── UnknownEventError   a type or version this code does not know
└── UpcastError         an old version that cannot be brought to the current one

Both stop the consumer that met them: skipping an event would falsify history.
"""


class EventError(Exception):
    """An event cannot be turned into what this code understands."""


class UnknownEventError(EventError):
    """The log holds a type or a schema version that this code does not know; update the hub."""


class UpcastError(EventError):
    """A stored event of an old version has not the shape that version promised."""
