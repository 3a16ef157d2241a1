"""How long the tests wait. In a checkout of the whole project tests/patience.py takes the place of this file."""

# Seconds. Only a test that fails waits this long, so it costs nothing to allow for a machine that is busy.
DEADLINE = 120.0
