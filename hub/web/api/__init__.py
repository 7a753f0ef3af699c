"""One module per noun of `/api/v1`."""
