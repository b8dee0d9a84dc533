"""A GGUF with i2_s matrices, as bitnet.cpp's converter writes it; by hand, for the `gguf` package knows no i2_s.

Metadata keys and tensor names are those of the published files; the vocabulary is synthetic, of the right size.
Source: GGUF v3 specification (ggml/docs/gguf.md), bitnet.cpp `utils/convert-hf-to-gguf-bitnet.py`.
"""

import struct

import numpy as np

ALIGNMENT = 32
F32, F16, I2_S = 0, 1, 36
NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.attn_sub_norm": "attn_sub_norm", "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.ffn_sub_norm": "ffn_sub_norm", "mlp.down_proj": "ffn_down",
}


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(item):
    """A metadata value with its type: u32, f32, bool, string or an array of strings or i32."""
    if isinstance(item, bool):
        return struct.pack("<IB", 7, item)
    if isinstance(item, int):
        return struct.pack("<II", 4, item)
    if isinstance(item, float):
        return struct.pack("<If", 6, item)
    if isinstance(item, str):
        return struct.pack("<I", 8) + text(item)
    if isinstance(item[0], str):
        return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(map(text, item))
    return struct.pack("<IIQ", 9, 5, len(item)) + np.asarray(item, "<i4").tobytes()


def vocabulary(size, n_special):
    """Tokens, types and merges: single bytes, pairs of bytes, then triples, and special tokens last."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    tokens, merges = list(alphabet), []
    for left in range(size):
        for right in alphabet:
            if len(tokens) == size - n_special:
                break
            merges.append(f"{tokens[left]} {right}")
            tokens.append(tokens[left] + right)
    special = ["<|begin_of_text|>", "<|end_of_text|>"] + [f"<|special_{i}|>" for i in range(n_special - 2)]
    return tokens + special, [1] * len(tokens) + [3] * n_special, merges


def metadata(arch, config):
    size = config["vocab_size"]
    tokens, types, merges = vocabulary(size, 256)
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    fields = {
        "general.architecture": arch,
        "general.name": "random",
        f"{arch}.block_count": config["num_hidden_layers"],
        f"{arch}.context_length": config["max_position_embeddings"],
        f"{arch}.embedding_length": config["hidden_size"],
        f"{arch}.feed_forward_length": config["intermediate_size"],
        f"{arch}.attention.head_count": config["num_attention_heads"],
        f"{arch}.attention.head_count_kv": config["num_key_value_heads"],
        f"{arch}.rope.freq_base": float(config["rope_theta"]),
        f"{arch}.attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "general.file_type": 40,
        f"{arch}.vocab_size": size,
        f"{arch}.rope.dimension_count": head_dim,
    }
    if "head_dim" in config:
        fields |= {f"{arch}.attention.key_length": head_dim, f"{arch}.attention.value_length": head_dim}
    fields |= {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": size - 256,
        "tokenizer.ggml.eos_token_id": size - 255,
        "general.quantization_version": 2,
    }
    if arch == "llama":
        fields["tokenizer.ggml.pre"] = "llama-bpe"
    return fields


def i2_s(trits, scale):
    """Blocks of 128 over the flattened matrix; byte j holds elements j, 32+j, 64+j, 96+j from its high bits down."""
    codes = (trits.numpy().reshape(-1, 4, 32) + 1).astype(np.uint8)
    data = codes[:, 0] << 6 | codes[:, 1] << 4 | codes[:, 2] << 2 | codes[:, 3]
    return data.tobytes() + struct.pack("<f", scale) + bytes(28)


def permuted(trits, n_heads):
    """Rows in the order that `llama` files have: each head's two rotary halves interleaved."""
    rows, columns = trits.shape
    return trits.reshape(n_heads, 2, rows // n_heads // 2, columns).transpose(1, 2).reshape(rows, columns).contiguous()


def tensors(arch, weights):
    """Name, type, shape (outermost first) and a function that makes the bytes, in the converter's order."""
    config = weights.config
    for name, tensor in weights.tensors.items():
        if name.endswith("_scale"):
            continue
        stem = name.removesuffix(".weight")
        if name in weights.ternary:
            trits, scale = weights.ternary[name]
            heads = {"self_attn.q_proj": "num_attention_heads", "self_attn.k_proj": "num_key_value_heads"}
            within = stem.split(".", 3)[3]
            if arch == "llama" and within in heads:
                trits = permuted(trits, config[heads[within]])
            kind, shape, data = I2_S, tuple(trits.shape), lambda t=trits, s=scale: i2_s(t, s)
        elif tensor.ndim == 2:
            kind, shape = F16, tuple(tensor.shape)
            data = lambda t=tensor: t.half().numpy().tobytes()
        else:
            kind, shape = F32, tuple(tensor.shape)
            data = lambda t=tensor: t.float().numpy().tobytes()
        if stem.startswith("model.layers."):
            _, _, layer, within = stem.split(".", 3)
            target = f"blk.{layer}.{NAMES[within]}"
        else:
            target = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}[stem]
        yield f"{target}.weight", kind, shape, data


def write_gguf(path, arch, weights):
    fields, listed = metadata(arch, weights.config), list(tensors(arch, weights))
    size = {F32: lambda n: 4 * n, F16: lambda n: 2 * n, I2_S: lambda n: n // 4 + 32}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(fields))
    head += b"".join(text(key) + value(item) for key, item in fields.items())
    offset = 0
    for name, kind, shape, _ in listed:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, offset)
        offset += -(-size[kind](int(np.prod(shape))) // ALIGNMENT) * ALIGNMENT
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGNMENT))
        for name, kind, shape, data in listed:
            content = data()
            assert len(content) == size[kind](int(np.prod(shape))), name
            file.write(content + bytes(-len(content) % ALIGNMENT))
