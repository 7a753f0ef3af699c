"""`make demo`: every fault once, on a playground of its own, and a table of what was lost: nothing."""
