"""The controllers of kube-controller-manager and kube-scheduler that a rollout needs."""
