"""`%fuse_key`: an API key, asked for unseen and kept where the person says; never on a line, in a cell or a history."""

from __future__ import annotations

import contextlib
import getpass

from IPython.core.magic import Magics, line_magic, magics_class

from fusion_nb.errors import UserError
from fusion_nb.magic.line_parser import documented, split_words

# What knows of keys is loaded when one is asked for: `%load_ext` does not wait for it.
# ruff: noqa: PLC0415

_FORMS = "%fuse_key SERVICE, %fuse_key SERVICE --keyring, %fuse_key SERVICE --forget"

_SHORTEST = 16
"""Characters; no service of the table gives a shorter key."""


@magics_class
class Keys(Magics):
    """Keys without fear."""

    @line_magic
    @documented
    def fuse_key(self, line: str) -> None:
        """Ask for a service's API key, unseen, and keep it for this kernel alone.

        %fuse_key                          which keys there are, and where from
        %fuse_key openrouter               asks; the key is gone with the kernel
        %fuse_key openrouter --keyring     asks, and keeps it in the keyring of this machine
        %fuse_key openrouter --forget      from this kernel and from the keyring
        """
        from fusion_nb.providers.redaction import looks_like_key

        words = split_words(line)
        if any(map(looks_like_key, words)):
            raise UserError(
                "A key does not belong on a line: it stands in the notebook and in IPython's history now. Revoke it "
                "where you got it, and give the new one to the question that %fuse_key openrouter asks."
            )
        match words:
            case []:
                print("\n".join(_listing()))
            case [name]:
                _keep(name, in_keyring=False)
            case [name, "--keyring"] | ["--keyring", name]:
                _keep(name, in_keyring=True)
            case [name, "--forget"] | ["--forget", name]:
                _forget(name)
            case _:
                raise UserError(f"%fuse_key takes a service: {_FORMS}.")


def _listing() -> list[str]:
    from fusion_nb.providers import key_sources
    from fusion_nb.providers.services import SERVICES

    variables = dict.fromkeys(name for row in SERVICES.values() for name in row.keys)
    lines = [f"{variable}: from {source}." for variable in variables if (source := key_sources.source_of(variable))]
    return [*(lines or ["No key was found."]), f"To set one: {_FORMS}."]


def _keep(name: str, *, in_keyring: bool) -> None:
    from fusion_nb.providers import key_sources

    variable = key_sources.variable_of(name)
    try:
        key = getpass.getpass(f"{variable}: ").strip()
    except (EOFError, NotImplementedError, RuntimeError):
        # ipykernel's own class for a front end that cannot ask is a RuntimeError.
        raise UserError(f"Nobody can be asked here: set {variable} in the environment, or in a file .env.") from None
    if not key:
        raise UserError("Nothing was entered: what was there stays.")
    if (what := _no_key(key)) is not None:
        # Kept, it would fail much later, as a call that the service refuses.
        raise UserError(
            f"What was entered is no key: {what}. Copy the whole key, and enter it anew: what was there stays."
        )
    if in_keyring:
        _in_keyring(variable, key)
    key_sources.keep_here(variable, key)
    print(f"{variable} is kept {'in the keyring of this machine' if in_keyring else 'for this kernel alone'}.")


def _no_key(key: str) -> str | None:
    """Why a text cannot be a key, without the text: the person may have typed half of one."""
    from fusion_nb.providers.redaction import is_placeholder

    if is_placeholder(key):
        return "it is what documentation writes in a key's place"
    if not (key.isascii() and key.isprintable()) or " " in key:
        return "it has a blank, or a character that keys have not"
    return f"it is shorter than the {_SHORTEST} characters that keys have" if len(key) < _SHORTEST else None


def _forget(name: str) -> None:
    from fusion_nb.providers import key_sources

    variable = key_sources.variable_of(name)
    key_sources.keep_here(variable, None)
    with contextlib.suppress(UserError):  # without a keyring there is nothing in it
        _in_keyring(variable, None)
    rest = key_sources.source_of(variable)
    print(f"{variable} is forgotten." + (f" There is one from {rest} still." if rest else ""))


def _in_keyring(variable: str, key: str | None) -> None:
    from fusion_nb.providers import key_sources

    try:
        key_sources.keep_in_keyring(variable, key)
    except ImportError:
        raise UserError("The keyring needs a package: pip install 'fusion_nb[keyring]'.") from None
    except Exception as error:  # noqa: BLE001  each backend has its own
        raise UserError(f"The keyring did not take it ({type(error).__name__}): leave --keyring out.") from None
