"""The API server: HTTP, storage, field machinery and custom resources."""
