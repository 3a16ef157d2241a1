"""A clock for code that takes one as an argument."""


class ManualClock:
    """A clock that moves only when the test sets `now`, in seconds."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
