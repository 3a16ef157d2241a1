"""Custom resources: definitions, structural schemas, CEL rules, printer columns."""
