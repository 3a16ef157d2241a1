"""Evaluates what tenants write and what has no bound on its time: templates of prompts, regular expressions and YAML.

A worker process evaluates it, with a limit on CPU time and memory. It starts when the first agent needs it.
"""
