"""The command `check-network`: whether the servers that a config names can be reached from where it runs."""
