"""Output: tables, diffs, JSON and YAML."""
