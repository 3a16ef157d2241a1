"""The local cluster: its directory and its supervisor process."""
