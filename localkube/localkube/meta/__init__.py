"""Helpers on Kubernetes objects, as in apimachinery: metadata, conditions, selectors, `metav1.Status`. Pure."""
