"""One pass over one agent: gather, validate, render, plan the rollout, diff, apply, report."""
