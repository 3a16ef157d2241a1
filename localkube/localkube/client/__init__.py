"""What the controllers and the node share, as in client-go: the Event recorder and the work queue."""
