"""Chat-completion objects into chunks, in order: what the objects of one reply say, one after the other. Pure.

Every field may be missing, stand elsewhere, or hold nonsense. What can be text is text; what cannot is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from fusion_nb.core import Channel, Chunk
from fusion_nb.core.json_codec import decode_verbatim
from fusion_nb.core.values import DEMO_SERVICE
from fusion_nb.errors import ProviderError
from fusion_nb.providers import error_bodies, provider_errors
from fusion_nb.providers.chat_usage import USAGE_FIELDS, bill_of, finish_in, finish_of, usage_in, usage_of
from fusion_nb.providers.delta_fields import SCALARS, THOUGHTS, text_of, texts_of, value_at
from fusion_nb.providers.provider_errors import Target
from fusion_nb.providers.redaction import one_line
from fusion_nb.providers.reply_batching import RepetitionFilter, TextBatcher
from fusion_nb.providers.services import OPENROUTER

MAX_TEXT = 8 * 1024 * 1024
"""Characters of one reply, reasoning included."""
GENERATION = "gen-"
"""What an object's `id` begins with where it is what the call will be billed under (OpenRouter)."""
_ROUTERS = (OPENROUTER.name, DEMO_SERVICE)
"""Services whose objects name the upstream; elsewhere `provider` may mean anything."""
_UPSTREAM = ("provider", "quantization")
_MAX_NAME = 100
_MAX_TOOLS = 2000
_ENVELOPES = ("data", "result", "response", "output")


class ReplyReader:
    """Reads the objects of one reply. `fault` is set once it went wrong."""

    def __init__(self, target: Target, requested_tags: Collection[str] = ()) -> None:
        self.fault: ProviderError | None = None
        self.finished = False
        """Whether a reason to finish was given that no text followed."""
        self.unreliable = False
        """Whether such a reason was given and text followed all the same."""
        self.notice = ""
        """What the service wrote beside any reply: it may explain why there is none."""
        self._target = target
        self._out: list[Chunk] = []
        self.text = TextBatcher(self._out, MAX_TEXT, target.hide, target.begins, requested_tags)
        self._repetitions: dict[Channel, RepetitionFilter] = {
            "content": RepetitionFilter(),
            "reasoning": RepetitionFilter(),
        }
        self._by_delta = False
        self._raw = ""
        self._named = self._refused = False
        self._routed = target.service in _ROUTERS
        self._upstream: dict[str, str] = {}
        self._tools: list[str] = []
        self._bill: Chunk | None = None
        self._cost: Decimal | None = None

    def read(self, payload: dict[str, Any], raw: str = "") -> None:
        """Take in one object. `raw` is its JSON, for numbers that are meant as text."""
        self._raw = raw
        payload = _unwrapped(payload)
        if not self._named:
            self._name(payload)
        if self._routed and len(self._upstream) < len(_UPSTREAM):
            self._name_upstream(payload)
        choices = payload.get("choices")
        if choices.__class__ is list:
            for at, choice in enumerate(choices):
                if choice.__class__ is dict and not choice.get("index"):
                    self._choice(choice, at)
        if not USAGE_FIELDS.isdisjoint(payload) and (counts := usage_in(payload)):
            self._usage(counts, payload)
        if not choices or payload.get("error") or "base_resp" in payload:
            self._refusal(payload)
        self._raw = ""
        if self.text.full:
            self.fail("too_big", "It went on for more than 8 million characters.", status="incomplete")

    def taken(self) -> list[Chunk]:
        """The chunks since the last time; text that came together is together."""
        self.text.flush()
        if self._bill is not None:  # once: some services send one with every word
            self._out.append(self._bill)
            self._bill = None
        if not self._out:
            return []
        taken = self._out.copy()
        self._out.clear()
        return taken

    def close(self) -> None:
        """No more objects come."""
        for channel, repetitions in self._repetitions.items():
            if rest := repetitions.close():
                self.text.write(channel, rest)
            if repetitions.warning:
                self.warn(repetitions.warning)
        self.text.close()
        if self._tools:
            self.warn(f"tool_calls: {self._target.clean(''.join(self._tools), 500)}")
            self._tools.clear()

    def warn(self, word: str) -> None:
        self._emit(Chunk(warning=word))

    def stop(self, fault: ProviderError) -> None:
        self.fault = self.fault or fault

    def fail(self, kind: str, detail: str, *, status: str = "error", retryable: bool = False) -> None:
        self.stop(ProviderError(kind, detail, status=status, retryable=retryable, max_retries=1, maybe_billed=True))

    def _emit(self, chunk: Chunk) -> None:
        self.text.flush()
        self._out.append(chunk)

    def _refusal(self, payload: dict[str, Any]) -> None:
        """An error under the status of a success, under whatever name."""
        error = error_bodies.error_in(payload)
        if error is not None:
            self.stop(provider_errors.of_error(error, self._target))
        elif not self.notice and (words := error_bodies.message_in(payload)):
            self.notice = self._target.clean(words, 300)

    def _name(self, payload: dict[str, Any]) -> None:
        """The model that answered and the generation's id, from the first object that has them."""
        model, generation = payload.get("model"), payload.get("id")
        self._named = bool(model or generation)
        name = self._target.clean(model, 200) if isinstance(model, str) else ""
        billed = isinstance(generation, str) and generation.startswith(GENERATION)
        self._routed = self._routed or billed
        if billed or (name and name != self._target.model):
            other = name if name != self._target.model else None
            self._emit(Chunk(generation_id=self._target.clean(generation, 200) if billed else None, model=other))

    def _name_upstream(self, payload: dict[str, Any]) -> None:
        """Who served the call behind the router: once, from the first object that says so."""
        new = {field: upstream_name(payload.get(field), self._target.clean) for field in _UPSTREAM}
        told = {field: name for field, name in new.items() if name and field not in self._upstream}
        if told:
            self._upstream |= told
            self._emit(Chunk(provider=told.get("provider"), quantization=told.get("quantization")))

    def _choice(self, choice: dict[str, Any], at: int) -> None:
        delta, message = choice.get("delta"), choice.get("message")
        if delta.__class__ is dict and delta:
            self._delta(delta, ("choices", at, "delta"))
        if message.__class__ is dict and message:
            self._delta(message, ("choices", at, "message"), whole=self._by_delta)
        elif choice.get("text") and not delta:
            text = choice["text"]
            text = self._verbatim(("choices", at, "text")) if text.__class__ in SCALARS else text
            self._write_parts("content", [text_of(text)], by_delta=True, whole=False)
        if not USAGE_FIELDS.isdisjoint(choice) and (counts := usage_in(choice)):
            self._usage(counts, choice)
        if finish := finish_in(choice):
            # Cleaned first: in another spelling a key would not be known again.
            self._finish(finish_of(self._target.clean(finish, 60) if isinstance(finish, str) else finish))
        if choice.get("error"):
            self.stop(provider_errors.of_error(choice["error"], self._target))

    def _delta(self, delta: dict[str, Any], path: tuple[Any, ...], *, whole: bool = False) -> None:
        """A piece of the reply; `whole`: all of it, told once more."""
        by_delta = path[-1] == "delta"
        content = delta.get("content")
        if content.__class__ is str and content and (len(delta) == 1 or (len(delta) == 2 and "role" in delta)):
            self._write("content", content, by_delta=by_delta, whole=whole)  # what nearly every delta is
            return
        if content.__class__ not in (str, type(None)) or any(delta.get(n).__class__ in SCALARS for n in THOUGHTS):
            delta = self._verbatim(path) or delta
        pieces = [(channel, [text]) for channel, text in texts_of(delta)]
        if whole:
            kinds: tuple[Channel, ...] = ("reasoning", "content")
            pieces = [(kind, [text for channel, [text] in pieces if channel == kind]) for kind in kinds]
        for channel, texts in pieces:
            self._write_parts(channel, texts, by_delta=by_delta, whole=whole)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str) and not (whole and self._refused):
            self._refused = True
            self._write("content", refusal, by_delta=by_delta)
        if delta.get("tool_calls") or delta.get("function_call"):
            self._tool_calls(delta)

    def _verbatim(self, path: tuple[Any, ...]) -> Any:
        """What stands there, with the digits of numbers as they were sent: tokens come as numbers too."""
        return value_at(decode_verbatim(self._raw), path)

    def _write_parts(self, channel: Channel, parts: list[str | None], *, by_delta: bool, whole: bool) -> None:
        if None in parts:
            self.warn("not_text: something of another kind")
        if text := "".join(part for part in parts if part):
            self._write(channel, text, by_delta=by_delta, whole=whole)

    def _write(self, channel: Channel, text: str, *, by_delta: bool = False, whole: bool = False) -> None:
        if by_delta:
            self._by_delta = True
        repetitions = self._repetitions[channel]
        new = repetitions.whole(text) if whole else repetitions.piece(text)
        if not new:
            return
        if self.finished and new.strip():
            # More text than the end it had given: only a reason that nothing follows makes a reply whole.
            self.finished, self.unreliable = False, True
        self.text.write(channel, new)

    def _tool_calls(self, delta: dict[str, Any]) -> None:
        """Kept as text for people to see; never executed."""
        calls = delta.get("tool_calls")
        for call in [*(calls if isinstance(calls, list) else ()), {"function": delta.get("function_call")}]:
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping):
                parts = [function.get(part) for part in ("name", "arguments")]
                self._tools += [part for part in parts if isinstance(part, str)]
        if sum(map(len, self._tools)) > _MAX_TOOLS:
            self._tools = ["".join(self._tools)[:_MAX_TOOLS]]

    def _finish(self, finish: str | None) -> None:
        if finish is not None:
            self.finished = True
            self._emit(
                Chunk(finish="refusal" if self._refused and finish == "stop" else self._target.clean(finish, 60))
            )

    def _usage(self, counts: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        usage, bad_count = usage_of(counts)
        bill = bill_of(counts, payload)
        if bad_count:
            self.warn("bad_usage")
        if bill.warning:
            self.warn(self._target.clean(bill.warning, 60))
        # The last bill counts, and the last cost that any of them named.
        self._cost = bill.cost if bill.named and bill.warning != "bad_cost" else self._cost
        self._bill = Chunk(usage=usage, cost=self._cost)


def upstream_name(value: object, clean: Callable[[str, int], str] = one_line) -> str | None:
    """The name of an upstream or of a quantization, as one short line; `None` for what is none, or says `unknown`."""
    name = clean(value, _MAX_NAME) if isinstance(value, str) and len(value) <= _MAX_NAME else ""
    return name if name and name.lower() != "unknown" else None


def _unwrapped(payload: dict[str, Any]) -> dict[str, Any]:
    """The object that holds the choices: some gateways put it in an envelope of their own."""
    if not payload.get("choices"):
        for name in _ENVELOPES:
            inner = payload.get(name)
            if isinstance(inner, dict) and isinstance(inner.get("choices"), list):
                return {**payload, **inner}
    return payload
