"""Rollouts move the pods of an agent from one revision to the next. Only `planner` and `analysis.client` do IO."""
