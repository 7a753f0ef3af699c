"""The hub over HTTP: reads projections, acts through what bootstrap hands in."""
