"""llama.cpp's own server in a process of its own: `python -m tests.servers.llamacpp MODEL PORT CONTEXT [KEY]`.

It lives until its standard input ends.
"""

from __future__ import annotations

import sys

import xllamacpp

SLOTS = 4


def main() -> None:
    model, port, context, *keys = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {"tiny"}
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.api_keys = keys
    params.n_ctx = int(context) * SLOTS
    params.n_parallel = SLOTS
    params.endpoint_slots = True
    params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
