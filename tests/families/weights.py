"""Random checkpoints with a family's exact shapes, names and storage.

Sizes are chosen so that logits spread by about 3, attention is neither flat nor a spike, and layers matter more than
the embedding: a wrong layer then cannot hide. Packing uses transformers' own `pack_weights`.
"""

import json
import math
import zlib

import torch
from safetensors.torch import save_file
from transformers.integrations.bitnet import pack_weights

# Share of |z| / mean|z| above one half for normal z: of weights that are not zero.
DENSITY = 0.69


class Weights:
    """The tensors of a family with `layers` layers; ternary matrices also as trits and scale."""

    def __init__(self, family):
        self.family = family
        self.config = dict(family.config, num_hidden_layers=family.layers)
        self.random = torch.Generator().manual_seed(zlib.crc32(family.name.removesuffix("-gguf").encode()))
        self.tensors = {}
        self.ternary = {}
        self._make()

    def _make(self):
        c, family = self.config, self.family
        dim, ffn, heads = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"]
        head_dim = c.get("head_dim") or dim // heads
        q_dim, kv_dim = heads * head_dim, c["num_key_value_heads"] * head_dim
        spread = 3 / math.sqrt(dim)
        has_sub = family.sub_norms is not None
        self._table("model.embed_tokens.weight", c["vocab_size"], dim, spread)
        if not c["tie_word_embeddings"]:
            self._table("lm_head.weight", c["vocab_size"], dim, spread)
        for layer in range(family.layers):
            prefix = f"model.layers.{layer}"
            # Name, rows, columns, root mean square of the input, standard deviation of the output.
            normed = family.norm_size
            for name, n, k, size_in, size_out in (
                ("self_attn.q_proj", q_dim, dim, normed, 1.3),
                ("self_attn.k_proj", kv_dim, dim, normed, 1.3),
                ("self_attn.v_proj", kv_dim, dim, normed, 1.0),
                ("self_attn.o_proj", dim, q_dim, 1.0 if has_sub else 0.6, 2 * spread),
                ("mlp.gate_proj", ffn, dim, normed, 1.2),
                ("mlp.up_proj", ffn, dim, normed, 1.2),
                ("mlp.down_proj", dim, ffn, 1.0 if has_sub else 0.55, 2 * spread),
            ):
                normed_inside = family.reference == "embedding"
                size = 1.0 if normed_inside else size_in
                self._linear(f"{prefix}.{name}.weight", n, k, size_out / (size * math.sqrt(k * DENSITY)))
                if normed_inside:
                    self._norm(f"{prefix}.{name}.norm.weight", k, 1.0)
            self._norm(f"{prefix}.input_layernorm.weight", dim, normed)
            self._norm(f"{prefix}.post_attention_layernorm.weight", dim, normed)
            if family.reference == "embedding":
                self._norm(f"{prefix}.self_attn.q_norm.weight", head_dim, 1.0)
                self._norm(f"{prefix}.self_attn.k_norm.weight", head_dim, 1.0)
            if has_sub:
                self._norm(f"{prefix}.self_attn.{family.sub_norms[0]}.weight", q_dim, 1.0)
                self._norm(f"{prefix}.mlp.{family.sub_norms[1]}.weight", ffn, 1.0)
        self._norm("model.norm.weight", dim, 1.0)

    def _normal(self, *shape):
        return torch.randn(*shape, generator=self.random)

    def _store(self, name, values):
        self.tensors[name] = values.to(getattr(torch, self.family.dtype))

    def _table(self, name, rows, columns, spread):
        # Chunks: the largest table in f32 has 2 GB.
        stored = torch.empty(rows, columns, dtype=getattr(torch, self.family.dtype))
        for start in range(0, rows, 8192):
            chunk = stored[start : start + 8192]
            values = self._normal(*chunk.shape) * spread
            # Exact in bf16 and in f16, which has fewer small numbers: a GGUF then holds the same table.
            values[values.abs() < 2**-13] = 0
            chunk.copy_(values.to(torch.bfloat16))
        stored[:, 5] *= 4
        self.tensors[name] = stored

    def _norm(self, name, length, size):
        values = size * (1 + 0.25 * self._normal(length))
        values[3], values[length // 2] = -size, 4 * size
        self._store(name, values)

    def _linear(self, name, n, k, scale):
        z = self._normal(n, k)
        z[n // 3], z[:, k // 5] = 0, 0
        if self.family.form == "master":
            # The mean's last bits depend on the order of the sum, in transformers too: no weight may hang on them.
            at_tie = (z.abs() / z.abs().double().mean() - 0.5).abs() < 1e-5
            z[at_tie] *= 1.01
            self._store(name, z * (scale / z.abs().mean()))
            return
        trits = (z / z.abs().mean()).round_().clamp_(-1, 1).to(torch.int8)
        reciprocal = self.family.form == "divide"
        stored = torch.tensor([1 / scale if reciprocal else scale]).to(torch.bfloat16)
        self.ternary[name] = (trits, 1 / stored.float().item() if reciprocal else stored.float().item())
        self.tensors[name] = pack_weights(trits.clone())
        self.tensors[f"{name}_scale"] = stored

    def save(self, folder):
        """Writes config.json and the weights, in as many files as the family has."""
        (folder / "config.json").write_text(json.dumps(self.config, indent=2))
        if self.family.reference == "embedding":
            self._save_modules(folder)
        metadata = {"format": "pt"}
        if self.family.shards == 1:
            save_file(self.tensors, folder / "model.safetensors", metadata)
            return
        names, shards = list(self.tensors), self.family.shards
        place, total = {}, 0
        for shard in range(shards):
            part = {name: self.tensors[name] for name in names[shard::shards]}
            file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
            save_file(part, folder / file, metadata)
            place |= dict.fromkeys(part, file)
            total += sum(tensor.nbytes for tensor in part.values())
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(place.items()))}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))

    def _save_modules(self, folder):
        """What sentence-transformers reads: the last token's vector, of length 1."""
        kinds = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
        modules = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (kind, path) in enumerate(kinds)
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_Pooling").mkdir()
        pooling = {"word_embedding_dimension": self.config["hidden_size"], "pooling_mode_lasttoken": True}
        (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
