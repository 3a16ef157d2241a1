"""What kube-controller-manager and kube-scheduler do, as far as a rollout needs it; each controller can be left out."""
