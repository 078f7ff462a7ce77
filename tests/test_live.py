"""The display in place: often enough for eyes, rare enough for everything else."""

from collections.abc import Callable

import pytest

from fusion_nb.core import RunState
from fusion_nb.views.live_display import Live, Pace
from tests import states


class Screen:
    """A front end with a clock: each drawing takes `cost` seconds."""

    def __init__(self, cost: float = 0.0) -> None:
        self.now = 100.0
        self.cost = cost
        self.shown: list[tuple[float, dict[str, str]]] = []
        self.displays = 0

    def show(self, bundle: dict[str, str]) -> "Screen":
        self.displays += 1
        self.update(bundle)
        return self

    def update(self, bundle: dict[str, str]) -> None:
        self.now += self.cost
        self.shown.append((self.now, bundle))

    def live(self, **options: float) -> Live:
        return Live(self.show, clock=lambda: self.now, **options)


def growing() -> Callable[[], RunState]:
    script = states.Script()
    call = script.start(states.CLAUDE)

    def grow() -> RunState:
        script.say(call, "word ")
        return script.state

    return grow


def test_one_display_is_updated_in_place() -> None:
    """There is one display, changed as the run goes on; the end is always shown, in all three forms."""
    screen = Screen()
    live = screen.live()
    live.update(states.begun())
    screen.now += 1
    live.update(states.judging())
    live.finish(states.merge())
    assert (screen.displays, len(screen.shown)) == (1, 3)
    assert screen.shown[-1][1].keys() == {"text/html", "text/markdown", "text/plain"}
    assert "Fused answer" in screen.shown[-1][1]["text/html"]


def test_a_run_that_ends_at_once_is_shown() -> None:
    """`finish` needs no `update` before it."""
    screen = Screen()
    screen.live().finish(states.all_failed())
    assert len(screen.shown) == 1


def test_the_end_is_drawn_once() -> None:
    """Where the last update showed the finished run already, nothing is sent again."""
    screen, state = Screen(), states.merge()
    live = screen.live()
    live.update(state)
    live.finish(state)
    assert len(screen.shown) == 1


def test_at_most_ten_drawings_a_second() -> None:
    """A thousand events a second are at most ten drawings in any second."""
    screen = Screen()
    live, grow = screen.live(), growing()
    for _ in range(3000):
        screen.now += 0.001
        live.update(grow())
    times = [at for at, _ in screen.shown]
    assert 25 <= len(times) <= 31
    assert all(sum(begin <= t < begin + 1 for t in times) <= 10 for begin in times)


@pytest.mark.parametrize("cost", [0.05, 0.3, 2.0])
def test_slow_drawing_takes_a_fifth_of_the_time_at_most(cost: float) -> None:
    """Where a drawing is slow (a long answer, a slow machine), fewer are made: four fifths of the time are the run's."""
    screen = Screen(cost)
    live, grow = screen.live(), growing()
    begun = screen.now
    while screen.now < begun + 60:
        screen.now += 0.01
        live.update(grow())
    spent = cost * len(screen.shown)
    assert 0.1 * (screen.now - begun) < spent <= 0.2 * (screen.now - begun) + cost


def test_the_first_words_do_not_wait() -> None:
    """What a person waits for is shown when it comes, even a moment after a drawing."""
    screen = Screen()
    script = states.Script()
    live = screen.live()
    live.update(script.state)
    call = script.start(states.CLAUDE)
    screen.now += 0.01
    live.update(script.state)
    assert len(screen.shown) == 1
    script.say(call, "Hello")
    live.update(script.state)
    assert len(screen.shown) == 2
    assert "Hello" in screen.shown[-1][1]["text/html"]
    script.say(call, " world")
    live.update(script.state)
    assert len(screen.shown) == 2


def test_time_goes_on_while_nothing_happens() -> None:
    """A waiting call's seconds are redrawn once a second, not ten times."""
    screen = Screen()
    script = states.Script()
    script.start(states.CLAUDE)
    live = screen.live()
    for _ in range(80):
        live.update(script.state)
        screen.now += 0.0625
    assert len(screen.shown) == 5
    assert "4.0 s" in screen.shown[-1][1]["text/html"]


def test_drawing_that_fails_is_not_hidden() -> None:
    """A front end that is gone is its caller's to know; a later finish still tries."""

    def broken(bundle: dict[str, str]) -> Screen:
        raise OSError("gone")

    live = Live(broken)
    with pytest.raises(OSError, match="gone"):
        live.update(states.begun())
    with pytest.raises(OSError, match="gone"):
        live.finish(states.merge())


def test_urgent_drawings_are_limited_too() -> None:
    """Not even urgent drawings exceed what a second may hold."""
    now = 0.0
    pace = Pace(0.1, lambda: now)
    made = 0
    for _ in range(500):
        if pace.due(urgent=True):
            pace.draw(lambda: None)
            made += 1
        now += 0.001
    assert made == 10
