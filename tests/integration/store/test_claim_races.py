"""Workers of several processes never meet on a key, and take the rows of each in order."""

import threading
from collections import defaultdict
from contextlib import ExitStack, closing

from hub.store import claims, deliveries
from hub.store.claims import Outcome
from hub.store.database import Database
from tests.integration.store.rows import MINUTE, NOW, delivery

KEYS = 1000
KEYS_WITH_TWO_ROWS = 100
THREADS = 8


class Journal:
    """What all workers did, as one list; complains of two on one key."""

    def __init__(self):
        self._lock = threading.Lock()
        self._busy = set()
        self.delivered = defaultdict(list)
        self.problems = []

    def begin(self, claim):
        with self._lock:
            if claim.key in self._busy:
                self.problems.append(f"{claim.key} claimed twice")
            self._busy.add(claim.key)

    def end(self, claim):
        with self._lock:
            self._busy.discard(claim.key)
            self.delivered[claim.key].append(claim.rows[0].position)


def work_until_empty(database, owner, journal):
    """Deliver the first row of a claimed key, give the key back, and so on."""

    def take(session):
        claim = claims.claim_next(session, sink="calendar", now=NOW, owner=owner, lease=MINUTE)
        if claim is not None:
            claims.mark_sending(session, claim, [claim.rows[0].event_id], now=NOW)
        return claim

    try:
        while (claim := database.write_now(take)) is not None:
            journal.begin(claim)
            outcome = Outcome(claim.rows[0].event_id, "delivered")
            # Before the row is given up: afterwards somebody else may rightly have the key.
            journal.end(claim)
            if not database.write_now(lambda s, c=claim, o=outcome: claims.finish(s, c, [o], now=NOW)):
                journal.problems.append(f"{claim.key} was lost")
    except Exception as error:  # noqa: BLE001
        journal.problems.append(repr(error))


def test_no_key_is_worked_on_twice_at_once_and_each_in_order(store_url):
    journal = Journal()
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(Database.open(store_url))) for _ in range(2)]
        rows = [delivery(f"k{n % KEYS}", n) for n in range(KEYS + KEYS_WITH_TWO_ROWS)]
        databases[0].write_now(lambda session: deliveries.insert(session, rows))
        threads = [
            threading.Thread(target=work_until_empty, args=(database, f"hub {number}", journal))
            for number, database in enumerate(databases)
            for _ in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        # A worker that finds only keys of others goes home early; what is left is little, and free.
        work_until_empty(databases[0], "last", journal)
        counts = databases[0].read_now(deliveries.counts)
    assert journal.problems == []
    assert counts == {"calendar": {"delivered": KEYS + KEYS_WITH_TWO_ROWS}}
    in_order = {f"k{n}": [n, n + KEYS] if n < KEYS_WITH_TWO_ROWS else [n] for n in range(KEYS)}
    assert journal.delivered == in_order
