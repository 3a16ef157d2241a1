"""The API server: HTTP, registry, storage, field management, validation and custom resources."""
