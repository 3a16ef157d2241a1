"""The Kubernetes API: transport, client, watches, caches, work queue, leader election and Events."""
