"""Any interleaving of runs, stops, kills, resumes and derived runs over several processes: no cap is ever passed, and the
accounts come to what the service says that it charged."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fusion_nb.accounts.day_account import DayAccount
from tests import spending_kernel
from tests.charging import ChargingService

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kernels are killed by a signal")
EXAMPLES = int(os.environ.get("FUSION_NB_SPENDING_EXAMPLES", "2"))
STEPS = int(os.environ.get("FUSION_NB_SPENDING_STEPS", "10"))
MEMBERS = [
    f"openrouter:{kind}-{tenths}" for kind in ("told", "late", "flaky", "slow-late", "slow-never") for tenths in (3, 9)
]
CAPS = st.sampled_from(["0.0006", "0.0012", "0.003", "0.01"])
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload([spending_kernel.__name__])


class KernelProcess:
    """One kernel, seen from outside."""

    def __init__(self, home: str, url: str, session_cap: str, day_cap: str) -> None:
        self._pipe, theirs = FORK.Pipe()
        self.process = FORK.Process(target=spending_kernel.main, args=(theirs, home, url, session_cap, day_cap))
        self.process.start()
        theirs.close()
        self._answer()

    def call(self, name: str, *arguments: Any) -> Any:
        self._pipe.send((name, arguments))
        return self._answer()

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(20)
        self._pipe.close()

    def _answer(self) -> Any:
        assert self._pipe.poll(120), "the kernel does not answer"
        return self._pipe.recv()


class Spending(RuleBasedStateMachine):
    """The service's account is the judge of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.open = contextlib.ExitStack()
        self.home = self.open.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        self.service = self.open.enter_context(ChargingService())
        self.kernels: list[KernelProcess] = []
        self.session_caps: dict[str, Decimal] = {}
        self.day_cap = Decimal(0)
        self.under_way: dict[str, KernelProcess] = {}
        self.runs: dict[str, str] = {}
        """The tag of each run's prompt: derived runs have that of the first."""
        self.run_caps: dict[str, Decimal] = {}
        """By tag: what its runs may spend together."""

    @initialize(day_cap=st.sampled_from(["0.004", "0.02"]), session_cap=CAPS)
    def begin(self, day_cap: str, session_cap: str) -> None:
        self.day_cap = Decimal(day_cap)
        self.new_kernel(session_cap)
        self.new_kernel("0.01")

    def new_kernel(self, session_cap: str) -> KernelProcess:
        door = f"k{len(self.session_caps)}"
        self.session_caps[door] = Decimal(session_cap)
        kernel = KernelProcess(self.home, self.service.url_of(door), session_cap, str(self.day_cap))
        self.kernels.append(kernel)
        return kernel

    @rule(
        which=st.integers(0, 1), pool=st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=3, unique=True), cap=CAPS
    )
    def start(self, which: int, pool: list[str], cap: str) -> None:
        """A new run begins, and is not waited for."""
        tag = f"run:{len(self.run_caps)}"
        self.run_caps[tag] = Decimal(cap)
        self.began(self.kernels[which], self.kernels[which].call("start", f"{tag} What is 3 + 4?", pool, cap), tag)

    @precondition(lambda self: self.runs)
    @rule(
        which=st.integers(0, 1), verb=st.sampled_from(["resume", "rejudge", "add", "retry"]), cap=CAPS, data=st.data()
    )
    def derive(self, which: int, verb: str, cap: str, data: st.DataObject) -> None:
        """An earlier run, ended or not, is gone on with in any kernel."""
        run = data.draw(st.sampled_from(sorted(self.runs)))
        begun = self.kernels[which].call("derive", verb, run, None if verb == "resume" else cap)
        if verb != "resume" and not begun.startswith("refused"):
            self.run_caps[self.runs[run]] += Decimal(cap)
        self.began(self.kernels[which], begun, self.runs[run])

    def began(self, kernel: KernelProcess, run: str, tag: str) -> None:
        if not run.startswith("refused"):
            self.runs[run] = tag
            self.under_way[run] = kernel

    @precondition(lambda self: self.under_way)
    @rule(seconds=st.sampled_from([0.0, 0.05, 1.0]), data=st.data())
    def stop(self, seconds: float, data: st.DataObject) -> None:
        """One run is stopped, at once or a little later."""
        run = data.draw(st.sampled_from(sorted(self.under_way)))
        kernel = self.under_way.pop(run)
        kernel.call("wait", run, seconds)
        kernel.call("stop", run)
        assert kernel.call("wait", run, 60.0)

    @rule(which=st.integers(0, 1), session_cap=CAPS)
    def kill(self, which: int, session_cap: str) -> None:
        """A kernel is killed in whatever it does; another takes its place."""
        killed = self.kernels.pop(which)
        killed.kill()
        self.under_way = {run: kernel for run, kernel in self.under_way.items() if kernel is not killed}
        self.new_kernel(session_cap)

    @invariant()
    def no_cap_is_passed(self) -> None:
        service = self.service
        for tag, cap in self.run_caps.items():
            assert service.by_prompt[tag] <= cap, f"{tag} of {cap}"
        for door, cap in self.session_caps.items():
            assert service.by_door[door] <= cap, f"session {door} of {cap}"
        assert service.total <= self.day_cap or not self.day_cap

    def teardown(self) -> None:
        try:
            if self.kernels:
                self.settle_everything()
        finally:
            for kernel in self.kernels:
                kernel.kill()
            self.open.close()

    def settle_everything(self) -> None:
        for run, kernel in self.under_way.items():
            kernel.call("stop", run)
            assert kernel.call("wait", run, 60.0)
        for kernel in self.kernels:
            kernel.kill()
        self.kernels.clear()
        recorded = self.new_kernel("1").call("reconcile")
        self.no_cap_is_passed()
        day, service = DayAccount(Path(self.home)), self.service
        assert day.spent == sum((service.known.get(each, Decimal(0)) for each in recorded), Decimal(0))
        assert day.spent + day.unsettled >= service.total


Spending.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    # Not shrunk: every example starts and kills processes, and a failing one is short as it is.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
TestSpending = Spending.TestCase
