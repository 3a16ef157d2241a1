"""Objects in memory: the store, and its history for watches."""
