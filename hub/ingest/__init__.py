"""From the outside to facts: receive, mark, read, derive, append."""
