"""The developer's verbs. `nox -s quickstart` runs the main job, `nox -s tests` runs every test."""

from __future__ import annotations

import os
import shutil

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True

NOTEBOOK = "notebooks/01-quickstart.ipynb"
TESTING = {"JUPYTER_PLATFORM_DIRS": "1"}


@nox.session
def quickstart(session: nox.Session) -> None:
    """Install the product and open the quickstart notebook in JupyterLab, on the demo pool where there is no key."""
    session.install(".[notebook]")
    if "--headless" in session.posargs:
        # Text before HTML: this is read in a terminal.
        as_text = "--NbConvertBase.display_data_priority=['text/markdown', 'text/plain']"
        session.run("jupyter", "nbconvert", "--execute", "--to", "markdown", "--stdout", as_text, NOTEBOOK)
        return
    session.log("No screen here? Run the notebook headless: nox -s quickstart -- --headless")
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    session.run("jupyter", "lab", *as_root, NOTEBOOK)


@nox.session
def check(session: nox.Session) -> None:
    """Daily work, in two minutes: format, lint, types, and the tests that are quick, on the working tree."""
    session.install("-e", ".[notebook]", *_group("test"))
    _python_checks(session)
    session.run("pytest", "-q", "-n", "2", "-m", "not slow", *session.posargs, env=TESTING)


@nox.session
def tests(session: nox.Session) -> None:
    """Everything: format, lint, types, then all tests on the built wheel."""
    _system_packages(session)
    session.install(".[notebook]", *_group("test"))
    if session.posargs:
        session.run("pytest", *session.posargs, env=TESTING)
        return
    _panel(session)
    _python_checks(session)
    # Two at a time, but for what drives a browser, or watches a clock while a service misbehaves.
    alone = ["tests/browser", "tests/faults"]
    session.run("pytest", "-n", "2", *(f"--ignore={folder}" for folder in alone), env=TESTING)
    session.run("pytest", *alone, env=TESTING)


@nox.session(python=["3.12", "3.13"])
def versions(session: nox.Session) -> None:
    """The quick tests on the newer Pythons; one that is not installed is skipped, and nox says so."""
    session.install(".[notebook]", *_group("test"))
    session.run("pytest", "-q", "-n", "2", "-m", "not slow", *session.posargs, env=TESTING)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site in build/site, warnings as errors; the tutorial's notebooks are executed."""
    session.install(".[notebook]", *_group("docs"))
    session.run("python", "docs/build_site.py", *session.posargs, env={**TESTING, "FUSION_NB_DEMO_SPEED": "20"})


@nox.session
def servers(session: nox.Session) -> None:
    """The product before server software that others wrote, with models that take no download; its table in docs/."""
    session.install(".", *_group("servers"))
    env = {"FUSION_NB_SERVERS": "1", "WRITE_RELIABILITY": "" if session.posargs else "1"}
    session.run("pytest", "tests/servers", *session.posargs, env=env)


@nox.session
def engines(session: nox.Session) -> None:
    """Tables of prompts on a real Dask cluster, one worker of which is killed, and on a real Ray."""
    session.install(".[dask]", *_group("engines"), *_group("test"))
    session.run("pytest", "tests/engines", *session.posargs, env={"FUSION_NB_ENGINES": "1"})


@nox.session
def kills(session: nox.Session) -> None:
    """The long form of the crash tests: 1,000 kills, 1,000 interrupts in each phase."""
    session.install(".[notebook]", *_group("test"))
    env = {"FUSION_NB_KILLS": "1000", "FUSION_NB_INTERRUPTS": "1000"}
    session.run("pytest", "tests/faults/test_kills.py", "tests/faults/test_interrupts.py", env=env)


@nox.session
def tables(session: nox.Session) -> None:
    """The long form of what tables promise: 1,000 kills, and 1,000 tables before services that fail in every way."""
    session.install(".[notebook]", *_group("test"))
    env = {"FUSION_NB_TABLE_KILLS": "1000", "FUSION_NB_TABLE_FAULTS": "1000"}
    session.run("pytest", "-s", "tests/faults/test_table_kills.py", *session.posargs, env=env)


@nox.session
def statistics(session: nox.Session) -> None:
    """The long form of what is said of equals: 10,000 resamples of recorded answers a size."""
    session.install(".[notebook]", *_group("test"))
    session.run("pytest", "tests/test_evaluation_recorded.py", env={"FUSION_NB_NULL": "10000"})


@nox.session
def spending(session: nox.Session) -> None:
    """The long form of the accounts' test: runs, stops, kills and resumes in any order, over several processes."""
    session.install(".[notebook]", *_group("test"))
    env = {"FUSION_NB_SPENDING_EXAMPLES": "60", "FUSION_NB_SPENDING_STEPS": "30"}
    session.run("pytest", "tests/test_spending_property.py", env=env)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Mutations of streams, verdicts and texts, guided by the lines they reach; then the same under libFuzzer."""
    session.install(".[notebook]", *_group("test"), *_group("fuzz"))
    session.run("python", "-m", "tests.faults.fuzz", *session.posargs)
    for target in ("decoder", "verdict", "views"):
        session.run("python", "-m", "tests.faults.fuzz_atheris", target, "-max_total_time=60")


@nox.session
def attacks(session: nox.Session) -> None:
    """The long form of the attacks in a browser: each of 7,128 in views of its own."""
    _system_packages(session)
    session.install(".[notebook]", *_group("test"))
    session.run("pytest", "tests/browser/test_attacks.py", env={"FUSION_NB_ATTACKS_TOGETHER": "1"})


@nox.session
def soak(session: nox.Session) -> None:
    """Ten thousand runs with faults and cancellations: nothing grows, no connection is lost. Ten minutes."""
    session.install(".[notebook]", *_group("test"))
    session.run("python", "-m", "tests.faults.soak", *session.posargs)


@nox.session
def reliability(session: nox.Session) -> None:
    """Play every fault and every attack on the judge, and write the pages in docs/ from what was seen."""
    session.install(".[notebook]", *_group("test"))
    rooms = ["rows", "kernel_judge", "kernel_life", "kernel_front", "kernel_session", "kills", "table"]
    pages = [*(f"tests/faults/test_{room}.py" for room in rooms), "tests/judge_attacks/test_attacks.py"]
    session.run("pytest", "-q", *pages, env={"WRITE_RELIABILITY": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Print the figures, each with its physical limit beside it."""
    session.install(".[notebook]", *_group("test"), *_group("bench"))
    session.run("python", "-m", "tests.bench", *session.posargs)


def _group(name: str) -> list[str]:
    """The packages of a dependency group."""
    return list(nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), name))


def _python_checks(session: nox.Session) -> None:
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")


def _panel(session: nox.Session) -> None:
    """The panel's own checks: lint, types, its tests on the fixtures that Python folds too."""
    session.run("npm", "--prefix", "js", "ci", "--silent", external=True)
    session.run("npm", "--prefix", "js", "run", "check", external=True)


def _system_packages(session: nox.Session) -> None:
    """A Chromium for the browser tests and a pandoc for the exports: Debian's, installed where missing and we may."""
    missing = [name for name in ("chromium", "pandoc") if not shutil.which(name)]
    if not missing or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    session.run("apt-get", "update", "-qq", external=True)
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    session.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, external=True, env=env)
