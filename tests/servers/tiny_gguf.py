"""A language model of random weights, small enough to be written by a test: it says words, and nothing about them."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

WIDTH, HEADS, FEED, LAYERS = 64, 2, 128, 2
CONTEXT = 16_384
WORDS = [
    f"▁{word}" for word in "one two three four five six seven eight nine ten red green blue cold warm old new".split()
]
TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
NO_SCHEMA = TEMPLATE.replace("assistant:", "<s>assistant:")
"""With this one the server can make no grammar of a schema, and refuses every request that has one."""
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def write(path: Path, *, template: str = TEMPLATE, ends: bool = True) -> None:
    """A llama of two layers with a vocabulary of bytes and a few words; it prefers the words.

    `ends`: whether it comes to an end by itself, after some words.
    """
    tokens = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % byte for byte in range(256)), *(w.encode() for w in WORDS)]
    types = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * len(WORDS)]
    rng = np.random.default_rng(7)

    def random(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.05).astype(np.float32)

    out = gguf.GGUFWriter(path, "llama")
    out.add_name("tiny random")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(FEED)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_vocab_size(len(tokens))
    out.add_file_type(0)
    out.add_tokenizer_model("llama")
    out.add_token_list(tokens)
    out.add_token_scores([0.0] * len(tokens))
    out.add_token_types(types)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_add_space_prefix(False)
    out.add_chat_template(template)
    # The first number of every state is large and the same, so that the output can prefer words to bytes by it.
    embedding = random(len(tokens), WIDTH)
    embedding[:, 0] = 1.0
    preference = random(len(tokens), WIDTH)
    preference[:, 0] = [-4.0] * 2 + [0.8 if ends else -4.0] + [-4.0] * 256 + [1.0] * len(WORDS)
    out.add_tensor("token_embd.weight", embedding)
    out.add_tensor("output.weight", preference)
    out.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for name, shape in {
            "attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH), "attn_output": (WIDTH, WIDTH),
            "ffn_gate": (FEED, WIDTH), "ffn_up": (FEED, WIDTH), "ffn_down": (WIDTH, FEED),
        }.items():  # fmt: skip
            out.add_tensor(f"{block}.{name}.weight", random(*shape))
        for name in ("attn_norm", "ffn_norm"):
            out.add_tensor(f"{block}.{name}.weight", np.ones(WIDTH, np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
