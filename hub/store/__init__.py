"""The SQL store: projections, delivery rows, dirty marks. The log stays the only source of truth."""
