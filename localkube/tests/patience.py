"""The deadline of waits. In a checkout of the whole project tests/patience.py replaces this file."""

# Seconds. Only a failing test waits this long, so the value allows for a busy machine.
DEADLINE = 120.0
