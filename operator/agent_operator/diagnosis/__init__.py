"""Why the pods of an agent do not work: what the pods report themselves, and what the kubelet reports in Events."""
