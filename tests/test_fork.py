"""A forked child has an engine of its own, whatever its parent's threads were doing."""

import os
import threading

import pytest

from fusion_nb.core import engine_thread

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_a_fork_while_another_thread_starts_the_engine_does_not_hang() -> None:
    """The lock that another thread held at that moment is nobody's in the child: its first run starts an engine."""
    locked, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with engine_thread._lock:
            locked.set()
            forked.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(30)
    child = os.fork()
    if child == 0:
        starter = threading.Thread(target=lambda: os._exit(engine_thread.call_on_engine(lambda: 7)), daemon=True)
        starter.start()
        starter.join(30)
        os._exit(1)
    forked.set()
    holder.join()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
