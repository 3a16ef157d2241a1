"""Output: tables, trees, differences, JSON and YAML."""
