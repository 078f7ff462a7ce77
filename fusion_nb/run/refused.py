"""Keys a service has refused in this run: what is not yet sent with one of them is not sent at all."""

from __future__ import annotations

from fusion_nb._errors import ProviderError


class Refused:
    """Remembers, for one run, which services said no to the key (401) or to its credit (402).

    A key is bound to its service, so the service's name stands for the key. Calls under way go on: some may have been
    paid for. A service that accepted a call of this run has accepted the key: its 401 is about one model only.
    """

    def __init__(self) -> None:
        self._accepted: set[str] = set()
        self._faults: dict[str, ProviderError] = {}

    def accepted(self, service: str) -> None:
        self._accepted.add(service)
        if (fault := self._faults.get(service)) is not None and fault.error == "auth":
            del self._faults[service]

    def forget(self, service: str) -> None:
        """The key may be good by now: whoever is asked next finds out."""
        self._faults.pop(service, None)

    def note(self, service: str, fault: ProviderError) -> None:
        """Remember what `fault` says of the key, if anything."""
        if fault.error == "credits" or (fault.error == "auth" and service not in self._accepted):
            self._faults.setdefault(service, fault)

    def check(self, service: str) -> None:
        """Raise `ProviderError`, unsent, where the service has refused the key."""
        fault = self._faults.get(service)
        if fault is not None:
            raise ProviderError(fault.error, f"Not asked: another call with the same key was refused. {fault.detail}")
