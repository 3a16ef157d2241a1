"""An agent's status: conditions, problems, and what they are decided on."""
