"""What people do to bookings: planned on the state that is known, done at the provider, then looked at."""
