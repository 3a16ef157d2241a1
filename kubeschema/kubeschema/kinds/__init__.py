"""Defaults and validation of the built-in kinds. Objects are decoded, as by `kubeschema.decode`."""
