"""How one revision of an agent takes the place of another. Pure, but for reading the pods' metrics."""
