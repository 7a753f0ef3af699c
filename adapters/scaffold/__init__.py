"""Cards on a board: one per booking, as an example to start an adapter from."""

from adapters.registry import AdapterType
from adapters.scaffold.sink import BoardSink

__all__ = ["adapter"]

adapter = AdapterType(name="board", summary="one card per booking on a board", sink=BoardSink)
