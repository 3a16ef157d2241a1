"""Checks of files that need no cluster."""
