"""Stores of conversations: in the memory of the process, or in Redis."""
