"""The fault matrix in short: row, fault, what must come of it, and where the product chose otherwise, why."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    fault: str
    must: str
    note: str = ""


ELSEWHERE = "rows 66 to 89 (judge, budget, interrupts, journal, notebook) have tests of their own"
MATRIX: dict[int, Fault] = {
    1: Fault("the name is not found", "error/dns, at most one retry"),
    2: Fault("connection refused", "error/connect, at most two retries"),
    3: Fault("certificate self-signed, expired, of another host", "error/tls, no retry, verification stays on", "a good certificate is the control"),
    4: Fault("no answer to the first packet", "error/connect_timeout, at most two retries", "10 s in the product, scaled down here"),
    5: Fault("the connection breaks while the request is sent", "error/send, at most one retry, maybe billed"),
    6: Fault("the connection pool is exhausted", "cannot happen", "there is no limit of connections; the run has its own. The splits below are some 400 calls at once"),
    7: Fault("headers never come", "timeout/ttft, not asked twice, maybe billed"),
    8: Fault("headers, then nothing", "timeout/ttft, generation id kept"),
    9: Fault("silence in the middle", "timeout/idle, text kept"),
    10: Fault("keep-alive comments for ever", "timeout/idle or ttft"),
    11: Fault("empty deltas for ever", "timeout/idle or ttft", "also usage that does not change, and bytes that say nothing"),
    12: Fault("one byte at a time", "timeout", "`total` where words keep coming, `ttft` or `idle` where they do not"),
    13: Fault("reset, or cut before the end", "error/disconnect, text kept, no retry after text, else two", "a reply that had finished is whole, however its connection ends; a retry after an attempt that may be billed is marked"),
    14: Fault("clean end without finish or [DONE]", "incomplete/truncated, never ok"),
    15: Fault("[DONE] without a finish reason", "ok, with a warning"),
    16: Fault("finish reason without [DONE]", "ok"),
    17: Fault("[DONE], connection stays open", "ok at once"),
    18: Fault("data after [DONE]", "ignored"),
    19: Fault("400", "error/bad_request, its message shown harmless"),
    20: Fault("401", "error/auth, names the variable; calls not yet sent with that key are not sent", "unless the service accepted another call of the run with it: then it is about one model"),
    21: Fault("402", "error/credits; no further call with that key, what is finished is kept"),
    22: Fault("403", "error/forbidden, reasons shown"),
    23: Fault("404, deprecated, no endpoints", "error/model, alternatives shown, none taken"),
    24: Fault("408, 409", "error/timeout, error/conflict, two retries"),
    25: Fault("413, context length", "error/too_large"),
    26: Fault("422", "error/bad_request"),
    27: Fault("429 without a hint", "two retries with jitter"),
    28: Fault("429, Retry-After in seconds", "never earlier; told at once where it does not fit"),
    29: Fault("429, Retry-After as a date", "against the service's own clock"),
    30: Fault("429, X-RateLimit-Reset", "milliseconds, seconds or relative"),
    31: Fault("429, hint in the body or the stream", "kept to"),
    32: Fault("Retry-After of an hour, or nonsense", "told with the time; nonsense is no wait"),
    33: Fault("500, 502, 503, 504, 529", "two retries, unless the service says it is of no use"),
    34: Fault("an HTML page as error", "by status, title and first words, no tags"),
    35: Fault("200 and a login page", "error/not_sse"),
    36: Fault("200 and an error object", "by its code"),
    37: Fault("200 and a whole completion", "ok, with a warning"),
    38: Fault("200 and nothing", "empty, one retry", "the status is `empty`, not `error`"),
    39: Fault("an event that is not JSON", "skipped with a warning; three, or the last one: incomplete"),
    40: Fault("NaN, Infinity, huge numbers", "unknown, with a warning"),
    41: Fault("JSON nested without end", "skipped like any bad event"),
    42: Fault("comments, unknown fields", "as WHATWG has it"),
    43: Fault("LF, CR, CRLF, several data lines, U+2028", "exact text at every split"),
    44: Fault("byte order mark", "dropped", "a second one is dropped too, with a warning: the standard would lose the first words to it"),
    45: Fault("split inside a character", "exact text at every split"),
    46: Fault("invalid UTF-8", "U+FFFD, with a warning"),
    47: Fault("the last event without its blank line", "kept where it is whole"),
    48: Fault("an error object in the stream", "by its type, text kept, no retry after text"),
    49: Fault("`event: error`", "the same"),
    50: Fault("finish reason `error`, error in a choice", "error, text kept"),
    51: Fault("no choices", "ignored; nothing else: empty"),
    52: Fault("finish `length`", "incomplete/length, usable"),
    53: Fault("finish `content_filter`", "filtered, text kept"),
    54: Fault("an unknown finish reason", "incomplete/finish:..."),
    55: Fault("no content, or reasoning alone", "empty, reasoning kept", "asked again once where the service gave no reason to finish"),
    56: Fault("a refusal", "refused, its words shown"),
    57: Fault("a tool call", "never executed, arguments kept", "error/tool_calls; with text before it incomplete/tool_calls: that text may be no answer"),
    58: Fault("no usage", "tokens and cost unknown, then asked for by generation id", "three tries in two seconds while the judge is at work: no answer waits for them; `resume()` asks the same of a crashed run"),
    59: Fault("usage twice", "the last counts"),
    60: Fault("cost missing, negative, as text", "unknown, unknown with a warning, read exactly"),
    61: Fault("100 MB, one enormous event", "incomplete/too_big, under 64 MiB of memory", "measured for the call alone, without a judge; 4 million emoji with the journal off; an event whose text would take more than 16 MiB of memory counts as too big, and one made of values instead of text as unreadable"),
    62: Fault("a packed bomb", "too_big, under 64 MiB of memory", "an error page stays the error it is"),
    63: Fault("a redirect", "error/redirect, one request, nothing sent on"),
    64: Fault("a stream without end", "too_big or total, connection closed"),
    65: Fault("a header of 1 MB, 10,000 headers", "error/protocol"),
    90: Fault("HTTP/2 GOAWAY, proxy refuses or hangs up", "error/protocol, error/proxy", "HTTP/2 is not spoken; the proxies are in test_proxy.py"),
}  # fmt: skip
