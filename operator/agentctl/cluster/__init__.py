"""What commands read from a cluster and write to it, through kubectl."""
