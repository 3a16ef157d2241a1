"""`agent-runtime check-answers`: asks a running agent prompts, and judges its answers."""
