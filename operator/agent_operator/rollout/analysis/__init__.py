"""Canary analysis: reads the metrics of pods over HTTP, and compares canary pods with stable pods."""
