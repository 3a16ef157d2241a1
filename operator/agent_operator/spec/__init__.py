"""What a spec means: references followed, defaults filled in. Nothing is rendered here, nothing refused."""
