"""Canary analysis: reads the metrics of pods and compares canary and stable."""
