"""The floor under every figure: httpx2 and JSON, nothing else. What no client can do without."""

from __future__ import annotations

import asyncio
import json

import httpx2


async def chat(client: httpx2.AsyncClient, url: str, model: str, prompt: str) -> str:
    """One streamed reply, read the shortest way that is still right for this server's tidy stream."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": prompt}]}
    said, rest = [], b""
    async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
        async for piece in response.aiter_raw():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.startswith(b"data: {"):
                    choices = json.loads(line[6:])["choices"]
                    said.append(choices[0]["delta"].get("content") or "" if choices else "")
    return "".join(said)


async def pool(client: httpx2.AsyncClient, url: str, models: list[str], prompt: str) -> list[str]:
    return list(await asyncio.gather(*(chat(client, url, model, prompt) for model in models)))


def client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=60, limits=httpx2.Limits(max_connections=None))
