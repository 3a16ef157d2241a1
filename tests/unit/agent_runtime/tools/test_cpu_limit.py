"""The limit on CPU time."""

import signal
import time

import pytest

from agent_runtime.tools.cpu_limit import at_most


class Finalizer:
    """An object whose finalizer uses CPU time. Python ignores the exceptions of finalizers."""

    def __del__(self) -> None:
        spin(0.1)


def spin(seconds: float) -> None:
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_limit_holds_after_a_finalizer_has_swallowed_the_error() -> None:
    with pytest.raises(TimeoutError), at_most(0.05):  # noqa: PT012  (the finalizer has to run in the block)
        Finalizer()
        spin(5)


def test_the_former_handler_is_restored() -> None:
    before = signal.getsignal(signal.SIGVTALRM)

    with pytest.raises(TimeoutError), at_most(0.01):
        spin(5)
    with at_most(0.01):
        pass
    spin(0.05)

    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
