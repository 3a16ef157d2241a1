"""Canary analysis: reads the metrics of pods over HTTP, and compares those of the canary with the stable ones."""
