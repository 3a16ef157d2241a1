"""Objects in memory: the store, its history for watches, and the optional file."""
