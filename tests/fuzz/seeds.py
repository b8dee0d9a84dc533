#!/usr/bin/env python3
"""Writes the seeds of the corpora: the smallest well-formed inputs of every kind, and a few that are refused.

    python3 tests/fuzz/seeds.py [TERNLET]      from the repository's root; nothing but Python is needed

With the program TERNLET (`target/release/ternlet`) the checkpoints are packed too, as seeds of the target `model`.
Files with other names than these, such as former findings, are left alone. Equal input, equal bytes.
"""

import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

CORPUS = pathlib.Path("tests/fuzz/corpus")
SEPARATOR = b"\n=====\n"
DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, VOCAB = 8, 12, 1, 2, 1, 4, 16


def put(target, name, *parts):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(SEPARATOR.join(parts))


# ---- safetensors ---------------------------------------------------------------------------------------------------

rng = random.Random(1)


def floats(count, dtype):
    values = [rng.uniform(-1, 1) for _ in range(count)]
    if dtype == "F16":
        return struct.pack(f"<{count}e", *values)
    words = struct.pack(f"<{count}f", *values)
    if dtype == "F32":
        return words
    return b"".join(words[4 * i + 2 : 4 * i + 4] for i in range(count))


def packed(rows, columns):
    code = lambda: sum(rng.randrange(3) << shift for shift in (0, 2, 4, 6))
    return bytes(code() for _ in range(rows // 4 * columns))


def checkpoint(config, form, dtype="BF16", names=("attn_sub_norm", "ffn_sub_norm"), head=False, norms=(), affix=""):
    """The parts of one checkpoint: config.json, header, data."""
    tensors = []

    def add(name, dtype, shape, data):
        tensors.append((name, dtype, shape, data))

    def vector(name, length):
        add(name, dtype, [length], floats(length, dtype))

    def linear(name, rows, columns):
        if form == "master":
            add(f"{name}.weight", dtype, [rows, columns], floats(rows * columns, dtype))
        else:
            add(f"{name}.weight", "U8", [rows // 4, columns], packed(rows, columns))
            add(f"{name}.weight_scale", "BF16", [1], struct.pack("<f", 0.25 if form == "multiply" else 4.0)[2:])
        if affix:
            vector(f"{name}.{affix}.weight", columns)

    add("model.embed_tokens.weight", dtype, [VOCAB, DIM], floats(VOCAB * DIM, dtype))
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name, rows, columns in (
            ("self_attn.q_proj", HEADS * HEAD_DIM, DIM),
            ("self_attn.k_proj", KV_HEADS * HEAD_DIM, DIM),
            ("self_attn.v_proj", KV_HEADS * HEAD_DIM, DIM),
            ("self_attn.o_proj", DIM, HEADS * HEAD_DIM),
            ("mlp.gate_proj", HIDDEN, DIM),
            ("mlp.up_proj", HIDDEN, DIM),
            ("mlp.down_proj", DIM, HIDDEN),
        ):
            linear(prefix + name, rows, columns)
        vector(prefix + "input_layernorm.weight", DIM)
        vector(prefix + "post_attention_layernorm.weight", DIM)
        if names:
            vector(f"{prefix}self_attn.{names[0]}.weight", HEADS * HEAD_DIM)
            vector(f"{prefix}mlp.{names[1]}.weight", HIDDEN)
        for norm in norms:
            vector(f"{prefix}self_attn.{norm}.weight", HEAD_DIM)
    vector("model.norm.weight", DIM)
    if head:
        add("lm_head.weight", dtype, [VOCAB, DIM], floats(VOCAB * DIM, dtype))

    header, data = {}, b""
    for name, kind, shape, content in tensors:
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return json.dumps(config, indent=0).encode(), text, data


def config(architecture, model_type, act, **more):
    return {
        "architectures": [architecture], "model_type": model_type, "hidden_size": DIM, "intermediate_size": HIDDEN,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "vocab_size": VOCAB, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": act,
        "rope_theta": 10000.0, "bos_token_id": 1, "eos_token_id": [2], "tie_word_embeddings": True, **more,
    }


def quantization(**more):
    return {"quantization_config": {"quant_method": "bitnet", **more}}


def checkpoints():
    bitnet = ("BitNetForCausalLM", "bitnet", "relu2")
    llama = ("LlamaForCausalLM", "llama", "silu")
    online = quantization(linear_class="autobitlinear", quantization_mode="online")
    offline = quantization(linear_class="autobitlinear", quantization_mode="offline")
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 16}
    yield "bitnet_online", checkpoint(config(*bitnet, **online), "master")
    yield "bitnet_online_f32", checkpoint(config(*bitnet, **online), "master", dtype="F32")
    yield "bitnet_multiply", checkpoint(config(*bitnet, **offline), "multiply")
    new_keys = config(*bitnet, **offline, dtype="bfloat16", rope_parameters={"rope_type": "default", "rope_theta": 5e5})
    del new_keys["rope_theta"]
    yield "bitnet_new_keys", checkpoint(new_keys, "multiply")
    yield "bitnet_divide_untied", checkpoint(
        config(*bitnet, **quantization()) | {"tie_word_embeddings": False}, "divide", head=True)
    yield "one_bit_llm", checkpoint(
        config("BitnetForCausalLM", "llama", "silu", weight_bits=1, input_bits=8), "master", dtype="F16",
        names=("inner_attn_ln", "ffn_layernorm"))
    untied = {"tie_word_embeddings": False}
    yield "llama_divide", checkpoint(
        config(*llama, **quantization(modules_to_not_convert=["lm_head"]), head_dim=HEAD_DIM) | untied, "divide",
        names=(), head=True)
    yield "llama_rope", checkpoint(config(*llama, **quantization(), rope_scaling=llama3), "divide", names=())
    yield "llama_inner_norms", checkpoint(
        config(*llama, **quantization(use_rms_norm=True, rms_norm_eps=1e-6)), "divide", names=(), affix="rms_norm")
    yield "llama_online", checkpoint(config(*llama, **online), "master", names=())
    yield "qwen3_norms", checkpoint(
        config("Qwen3Model", "qwen3", "silu", head_dim=HEAD_DIM), "master", names=(), norms=("q_norm", "k_norm"),
        affix="norm")


GENERATION = json.dumps({"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 5, "eos_token_id": [2, 3]}).encode()


def write_checkpoints():
    for name, parts in checkpoints():
        put("safetensors", name, *parts, GENERATION)
    config_text, header, data = dict(checkpoints())["bitnet_online"]
    put("safetensors", "cut_short", config_text, header, data[:-1])
    put("safetensors", "length_beyond_file", config_text, struct.pack("<Q", 1 << 40) + header, data)
    put("safetensors", "not_finite", config_text, header, b"\xff\x7f" * (len(data) // 2))
    put("safetensors", "absurd_sizes", config_text.replace(b'"hidden_size": 8', b'"hidden_size": 4294967295'), header, data)


# ---- tokenizers ----------------------------------------------------------------------------------------------------

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
TEXT = "aab ab<s>a b <mask>ab\u00e9 123\n\n  'll\u017f\u0301 \U0001f600".encode()
VOCABULARY = ["a", "b", "\u0120", "ab", "aa", "\u0120ab", "\u00c3", "\u00a9"]
MERGES = [["a", "b"], ["a", "a"], ["\u0120", "ab"]]


def added(token, content, special=True, **flags):
    return {"id": token, "content": content, "special": special, "normalized": False, "single_word": False,
            "lstrip": False, "rstrip": False, **flags}


def template(token, text):
    return {"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": text, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {text: {"id": text, "ids": [token], "tokens": [text]}}}


def byte_level(pre_tokenizer, normalizer=None, strips=False, **model):
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(8, "<s>"), added(9, "<mask>", special=False, lstrip=strips, rstrip=strips),
                         added(10, "<sx", special=False, normalized=True)],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": template(8, "<s>"),
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "unk_token": None, "vocab": {text: i for i, text in enumerate(VOCABULARY)},
                  "merges": MERGES, **model},
    }


def split(pattern):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}, BYTE_LEVEL]}


def sentencepiece_json():
    vocabulary = ["<unk>", "<s>", "</s>", "<0x0A>", "<0xC3>", "<0xA9>", "\u2581", "a", "b", "ab", "\u2581a"]
    return {
        "version": "1.0", "added_tokens": [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
        "pre_tokenizer": None, "post_processor": template(1, "<s>"),
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                  "vocab": {text: i for i, text in enumerate(vocabulary)},
                  "merges": ["a b", "\u2581 a"]},
    }


def varint(value):
    out = b""
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def sentencepiece_model():
    """The protocol buffer of a BPE model: pieces with scores and types, the trainer's and the normaliser's settings."""
    pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3)] + [(f"<0x{byte:02X}>", 6) for byte in range(256)]
    pieces += [("ab", 1), ("\u2581a", 1), ("\u2581", 1), ("a", 1), ("b", 1)]
    body = b""
    for index, (text, kind) in enumerate(pieces):
        piece = message(1, text.encode()) + b"\x15" + struct.pack("<f", float(-index)) + b"\x18" + varint(kind)
        body += message(1, piece)
    trainer = b"\x18\x02" + varint(35 << 3) + b"\x01" + varint(40 << 3) + b"\x00" + varint(41 << 3) + b"\x01"
    return body + message(2, trainer) + message(3, message(1, b"identity") + b"\x18\x01\x20\x00\x28\x01")


RANKS = "".join(f"{text} {rank}\n" for rank, text in enumerate(["YQ==", "Yg==", "IA==", "YWI=", "IGFi", "ww==", "qQ=="]))


def tokenizers():
    ignore = {"ignore_merges": True}
    digits = {"type": "Sequence", "pretokenizers": [
        {"type": "Punctuation", "behavior": "Contiguous"},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        {"type": "Digits", "individual_digits": False},
        {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": False}]}
    yield "llama3", byte_level(split(LLAMA3), **ignore)
    yield "llama3_merges", byte_level(split(LLAMA3))
    yield "strips", byte_level(split(LLAMA3), strips=True)
    yield "gpt2", byte_level({**BYTE_LEVEL, "use_regex": True})
    yield "falcon", byte_level(digits)
    yield "qwen2", byte_level(split(QWEN2), normalizer={"type": "NFC"})
    yield "sentencepiece", sentencepiece_json()
    old = byte_level(split(LLAMA3))
    old["model"]["merges"] = [" ".join(pair) for pair in MERGES]
    yield "merges_as_text", old
    far = byte_level(split(LLAMA3))
    far["added_tokens"].append(added(4000, "<far>"))
    yield "hole_in_ids", far
    wordpiece = byte_level(split(LLAMA3))
    wordpiece["model"]["type"] = "WordPiece"
    yield "refused_model", wordpiece


def write_tokenizers():
    for name, tokenizer in tokenizers():
        put("tokenizer", name, json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode(), TEXT)
    put("tokenizer", "ranks", RANKS.encode(), TEXT)
    put("tokenizer", "sentencepiece_model", sentencepiece_model(), TEXT)


# ---- chat templates ------------------------------------------------------------------------------------------------

TEMPLATES = {
    "role_names": "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] | trim }}"
                  "<|eot_id|>{% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}",
    "headers": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
               "'<|start_header_id|>' + message['role'] + '\n\n' + message['content'] | trim + '<|eot_id|>' %}"
               "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
               "{% endfor %}{{ '<|start_header_id|>assistant\n\n' }}",
    "branches": "{%- if tools %}{{ tools | tojson }}{%- endif %}\n{%- for message in messages %}\n"
                "{%- if message.role == 'user' %}{{ '<s>' + message.content }}\n"
                "{%- elif message.role == 'system' %}{{ message.content.strip() }}\n"
                "{%- else %}{{ message.content + eos_token }}{%- endif %}{%- endfor %}"
                "{%- if add_generation_prompt %}{{ 'a' }}{%- endif %}",
    "alternate": "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
                 "{{ raise_exception('roles must alternate') }}{% endif %}{{ m['content'] }}{% endfor %}",
    "namespace": "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ ns.n }}"
                 "{{ m.content[:3] }}{% endfor %}",
    "macro": "{% macro say(m) %}{{ m.role.upper() }}{{ m.content }}{% endmacro %}"
             "{% for m in messages %}{{ say(m) }}{% endfor %}",
    "endless": "{% for a in range(100000) %}{% for b in range(100000) %}{{ a ~ b }}{% endfor %}{% endfor %}",
    "wide_indent": "{% for m in messages %}{{ m.content | indent(10000000000, true) }}{% endfor %}",
    "wide_format": "{% for m in messages %}{{ '%1000000000d' | format(1) }}{{ m.content }}{% endfor %}",
    "much_output": "{% set a = 'a' * 100000 %}{% for i in range(100000) %}{{ a }}{% endfor %}",
    "date": "{{ strftime_now('%d') }}",
    "broken": "{% for m in messages %}{{ m.content }",
}


def write_templates():
    for name, source in TEMPLATES.items():
        put("chat_template", name, source.encode(), b"<s>", b"</s>")


# ---- GGUF ----------------------------------------------------------------------------------------------------------

TYPES = {"F32": 0, "F16": 1, "TQ1_0": 34, "TQ2_0": 35, "I2_S": 36, "TL1": 38}


def gguf_text(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_value(item):
    if isinstance(item, bool):
        return struct.pack("<IB", 7, item)
    if isinstance(item, int):
        return struct.pack("<II", 4, item)
    if isinstance(item, float):
        return struct.pack("<If", 6, item)
    if isinstance(item, str):
        return struct.pack("<I", 8) + gguf_text(item)
    if isinstance(item[0], str):
        return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(map(gguf_text, item))
    form = "f" if isinstance(item[0], float) else "i"
    return struct.pack("<IIQ", 9, 6 if form == "f" else 5, len(item)) + struct.pack(f"<{len(item)}{form}", *item)


def matrix(kind, n, k):
    """Trits of scale 0.25 in the layout of a type; the bytes of unknown types are as many as I2_S has."""
    count = n * k
    if kind in ("F32", "F16"):
        return struct.pack(f"<{count}{'f' if kind == 'F32' else 'e'}", *(rng.randrange(-1, 2) / 4 for _ in range(count)))
    if kind == "TQ2_0":
        block = lambda: bytes(sum(rng.randrange(3) << shift for shift in (0, 2, 4, 6)) for _ in range(64))
        return b"".join(block() + struct.pack("<e", 0.25) for _ in range(count // 256))
    if kind == "TQ1_0":
        byte = lambda digits: -(-256 * sum(rng.randrange(3) * 3**i for i in range(5 - digits, 5)) // 243) & 255
        block = lambda: bytes(byte(5) for _ in range(48)) + bytes(byte(4) for _ in range(4))
        return b"".join(block() + struct.pack("<e", 0.25) for _ in range(count // 256))
    return packed(count, 1) + struct.pack("<f", 0.25) + bytes(28)


def gguf(arch, kind, dim=8, ffn=12, down=None, sub_norms=True, head=False, vocabulary="gpt2", **more):
    heads, kv_heads, head_dim = 2, 1, dim // 2
    tensors = [("token_embd", "F16", VOCAB, dim), ("output_norm", "F32", 1, dim)]
    for name, n, k in (("attn_q", dim, dim), ("attn_k", head_dim, dim), ("attn_v", head_dim, dim),
                       ("attn_output", dim, dim), ("ffn_gate", ffn, dim), ("ffn_up", ffn, dim)):
        tensors.append((f"blk.0.{name}", kind, n, k))
    tensors.append(("blk.0.ffn_down", down or kind, dim, ffn))
    norms = [("attn_norm", dim), ("ffn_norm", dim)] + [("attn_sub_norm", dim), ("ffn_sub_norm", ffn)] * sub_norms
    tensors += [(f"blk.0.{name}", "F32", 1, k) for name, k in norms]
    tensors += [("output", "F16", VOCAB, dim)] * head
    fields = {
        "general.architecture": arch, "general.name": "seed", "general.file_type": 40, f"{arch}.block_count": 1,
        f"{arch}.context_length": 64, f"{arch}.embedding_length": dim, f"{arch}.feed_forward_length": ffn,
        f"{arch}.attention.head_count": heads, f"{arch}.attention.head_count_kv": kv_heads,
        f"{arch}.attention.layer_norm_rms_epsilon": 1e-5, f"{arch}.rope.freq_base": 10000.0,
        f"{arch}.rope.dimension_count": head_dim, f"{arch}.vocab_size": VOCAB, **more,
    }
    if vocabulary == "gpt2":
        fields |= {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": [*VOCABULARY, "<s>", "</s>"],
                   "tokenizer.ggml.token_type": [1] * 8 + [3, 3], "tokenizer.ggml.merges": [" ".join(m) for m in MERGES],
                   "tokenizer.ggml.bos_token_id": 8, "tokenizer.ggml.eos_token_id": 9,
                   "tokenizer.chat_template": TEMPLATES["role_names"]}
    elif vocabulary == "llama":
        fields |= {"tokenizer.ggml.model": "llama", "tokenizer.ggml.token_type": [2, 3, 3, 6, 6, 1, 1, 1, 1],
                   "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "<0x0A>", "<0xC3>", "\u2581", "a", "b", "ab"],
                   "tokenizer.ggml.scores": [0.0, 0.0, 0.0, 0.0, 0.0, -3.0, -4.0, -5.0, -1.0],
                   "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
                   "tokenizer.ggml.add_bos_token": True}
    head_bytes = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields))
    head_bytes += b"".join(gguf_text(key) + gguf_value(item) for key, item in fields.items())
    data = b""
    for name, dtype, n, k in tensors:
        shape = [k] if n == 1 else [k, n]
        head_bytes += gguf_text(f"{name}.weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, TYPES[dtype], len(data))
        content = floats(n * k, dtype) if n == 1 or name in ("token_embd", "output") else matrix(dtype, n, k)
        data += content + bytes(-len(content) % 32)
    return head_bytes + bytes(-len(head_bytes) % 32) + data


def write_ggufs():
    relu2 = {"bitnet.hidden_activation": "relu2", "tokenizer.ggml.pre": "llama-bpe"}
    put("gguf", "bitnet_f32", gguf("bitnet", "F32", **relu2))
    put("gguf", "bitnet_f16", gguf("bitnet", "F16", **relu2))
    put("gguf", "bitnet_silu_tq2_0", gguf("bitnet", "F16", ffn=256, down="TQ2_0", **{"tokenizer.ggml.pre": "falcon"}))
    put("gguf", "bitnet_tq1_0", gguf("bitnet", "F16", ffn=256, down="TQ1_0", **relu2))
    put("gguf", "bitnet_b158_i2_s", gguf("bitnet-b1.58", "I2_S", dim=16, ffn=16))
    put("gguf", "bitnet_25_i2_s", gguf("bitnet-25", "I2_S", dim=16, ffn=16))
    put("gguf", "llama_f16", gguf("llama", "F16", sub_norms=False, head=True, vocabulary="llama"))
    put("gguf", "llama_i2_s", gguf("llama", "I2_S", dim=16, ffn=16, sub_norms=False, vocabulary="llama",
                                   **{"tokenizer.ggml.pre": "llama-bpe"}))
    put("gguf", "no_tokenizer", gguf("bitnet", "F16", vocabulary=None, **relu2))
    put("gguf", "tl1_refused", gguf("bitnet-b1.58", "TL1", dim=16, ffn=16))
    whole = gguf("bitnet", "F16", **relu2)
    put("gguf", "cut_short", whole[:-40])
    put("gguf", "absurd_counts", whole[:8] + struct.pack("<QQ", 1 << 62, 1 << 62) + whole[24:])


# ---- prefix files --------------------------------------------------------------------------------------------------

def write_prefixes():
    """Ids and rows of the target's small model: it writes the header and the checksums itself."""
    row_elements, rows = 10, 2 * 3 * 2
    header = b"TERNKV\0\0" + struct.pack("<II", 1, 1) + bytes(48)
    for name, row in (
        ("f16", struct.pack("<10e", *[0.25 * i - 1 for i in range(row_elements)])),
        ("f16_infinite", struct.pack("<10H", *[0x7c00] * row_elements)),
        ("f16_nan", struct.pack("<10H", *[0xffff] * row_elements)),
        ("f32", struct.pack("<10f", *[0.5 * i - 2 for i in range(row_elements)])),
        ("f32_huge", struct.pack("<10f", *[3e38] * row_elements)),
        ("i8", struct.pack("<f10b", 0.01, *range(-5, 5))),
        ("i8_huge", struct.pack("<f10b", 3e38, *[127] * row_elements)),
    ):
        n_ids = 4
        ids = struct.pack(f"<{n_ids}I", *range(1, n_ids + 1))
        put("prefix", name, header + ids + bytes(8) + (row * rows + bytes(8)) * n_ids)
    put("prefix", "empty", header + bytes(8))
    put("prefix", "cut", header[:40])


# ---- model files ---------------------------------------------------------------------------------------------------

def write_models(program):
    """Packs every checkpoint that the program takes, with a tokenizer and a chat template."""
    kinds = dict(tokenizers())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, (config_text, header, data) in checkpoints():
            kind = "sentencepiece" if name == "llama_divide" else "qwen2" if name == "qwen3_norms" else "llama3"
            (folder / "config.json").write_bytes(config_text)
            (folder / "generation_config.json").write_bytes(GENERATION)
            (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)
            tokenizer_config = {"bos_token": "<s>", "chat_template": TEMPLATES["role_names"]}
            (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
            for tokenizer in ([json.dumps(kinds[kind])], []):
                path = folder / "tokenizer.json"
                path.unlink(missing_ok=True)
                for text in tokenizer:
                    path.write_text(text)
                target = folder / "model.tern"
                command = [program, "pack", str(folder), "-o", str(target), "--name", "seed"]
                result = subprocess.run(command, capture_output=True, text=True)
                if result.returncode == 0:
                    put("model", name, target.read_bytes())
                    break
            else:
                print(f"model/{name}: not packed: {result.stderr.strip()}")


write_checkpoints()
write_tokenizers()
write_templates()
write_ggufs()
write_prefixes()
if len(sys.argv) > 1:
    write_models(sys.argv[1])
print(sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()), "bytes of corpora")
