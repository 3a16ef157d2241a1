"""Samples of pods whose requests all took the same time."""

import math

from agent_operator.rollout.analysis.parser import Buckets, Sample

BOUNDS = (0.1, 0.5, 1.0, 2.5, 5.0)


def took(seconds: float, requests: int) -> Buckets:
    """Return the histogram of requests that each took this long."""
    return (*((bound, requests if seconds <= bound else 0) for bound in BOUNDS), (math.inf, requests))


def sample(requests: int, errors: int = 0, *, seconds: float = 0.4, tokens: int = 100) -> Sample:
    """Return a sample of requests that each took this long and this many tokens."""
    return Sample(requests, errors, tokens * requests, took(seconds, requests))
