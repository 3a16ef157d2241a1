"""Rollouts: how the pods of an agent move from one revision to the next. Pure, except for reading the pods' metrics."""
