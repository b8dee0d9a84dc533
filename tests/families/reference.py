"""What transformers computes in f32, and prompts on which rounding leaves no choice.

A difference of one ulp can turn one int8 activation into its neighbour, and then logits move. Prompts are therefore
searched token by token: of many candidates, one whose every rounding in every linear is at least `MARGIN` away from a
tie. Any correct f32 implementation then has the same int8 values.
"""

import copy
import os

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import torch
import torch.nn as nn
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3Model
from transformers.integrations import bitnet
from transformers.integrations.bitnet import AutoBitLinear, BitLinear
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.utils.logging import disable_progress_bar

disable_progress_bar()

MARGIN = 1e-4
CANDIDATES = 192
MAX_ROUNDS = 24


UNPACK, QUANTISE = bitnet.unpack_weights, bitnet.WeightQuant.apply


def remembered(function):
    """`function` of a weight, computed once for each: transformers unpacks or quantises weights at every pass."""
    known = {}

    def lookup(weight, *more, **named):
        # The weight is kept with its result, so that no other can come to lie where it was.
        key = weight.data_ptr()
        if key not in known:
            known[key] = weight, function(weight, *more, **named)
        return known[key][1]

    return lookup


class Normed(nn.Module):
    """A linear behind a norm of its own: where 1bitLLM's code has `inner_attn_ln` and `ffn_layernorm`."""

    def __init__(self, norm, linear):
        super().__init__()
        self.norm, self.linear = norm, linear

    def forward(self, x):
        return self.linear(self.norm(x))


def patched_llama(folder, config):
    """transformers' Llama whose linears are its AutoBitLinear and whose outputs are normed as 1bitLLM's code does."""
    keep = {key: value for key, value in config.items() if key not in ("architectures", "weight_bits", "input_bits")}
    shapes = LlamaConfig(**keep, attn_implementation="eager")
    with torch.device("meta"):
        model = LlamaForCausalLM(shapes)
    dim, eps = shapes.hidden_size, shapes.rms_norm_eps
    for layer in model.model.layers:
        for block in (layer.self_attn, layer.mlp):
            for name, linear in list(block.named_children()):
                if isinstance(linear, nn.Linear):
                    made = AutoBitLinear(linear.in_features, linear.out_features, False, "meta", online_quant=True)
                    if name == "o_proj":
                        made = Normed(LlamaRMSNorm(dim, eps), made)
                    if name == "down_proj":
                        made = Normed(LlamaRMSNorm(shapes.intermediate_size, eps), made)
                    setattr(block, name, made)
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(file).items():
            name = name.replace("self_attn.inner_attn_ln.", "self_attn.o_proj.norm.")
            name = name.replace("mlp.ffn_layernorm.", "mlp.down_proj.norm.")
            name = name.replace("o_proj.weight", "o_proj.linear.weight").replace("down_proj.weight", "down_proj.linear.weight")
            tensors[name] = tensor.float()
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    model.load_state_dict(tensors, assign=True, strict=True)
    # The rotary table is a buffer outside the state dict.
    model.model.rotary_emb = type(model.model.rotary_emb)(shapes)
    return model.eval()


class Embedding(nn.Module):
    """transformers' Qwen3 with a norm in front of every AutoBitLinear; its output is the last token's vector."""

    def __init__(self, folder, config):
        super().__init__()
        self.config = Qwen3Config(**config, attn_implementation="eager")
        with torch.device("meta"):
            self.model = Qwen3Model(self.config)
        for layer in self.model.layers:
            for block in (layer.self_attn, layer.mlp):
                for name, linear in list(block.named_children()):
                    if isinstance(linear, nn.Linear):
                        norm = LlamaRMSNorm(linear.in_features, self.config.rms_norm_eps)
                        made = AutoBitLinear(linear.in_features, linear.out_features, False, "meta", online_quant=True)
                        setattr(block, name, Normed(norm, made))
        tensors = {}
        for name, tensor in load_file(folder / "model.safetensors").items():
            stem = name.removeprefix("model.")
            if stem.endswith("_proj.weight"):
                stem = stem.replace("_proj.weight", "_proj.linear.weight")
            tensors[stem] = tensor.float()
        self.model.load_state_dict(tensors, assign=True, strict=True)
        self.model.rotary_emb = type(self.model.rotary_emb)(self.config)
        self.eval()

    def vector(self, ids):
        with torch.no_grad():
            hidden = self.model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1]
        return (hidden / hidden.norm()).numpy()


def loaded(folder):
    """The checkpoint as transformers loads it, with every number in f32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None and tensor.is_floating_point() and tensor.dtype != torch.float32:
                    tensors[name] = type(tensor)(tensor.float()) if tensors is module._parameters else tensor.float()
        if isinstance(module, BitLinear):
            module.dtype = torch.float32
    return model


class Reference:
    """A loaded model that notes how far its activations' roundings stay from ties."""

    def __init__(self, folder, family, config):
        bitnet.unpack_weights, bitnet.WeightQuant.apply = UNPACK, QUANTISE
        if family.reference == "patched":
            self.model = patched_llama(folder, config)
        elif family.reference == "embedding":
            self.model = Embedding(folder, config)
        else:
            self.model = loaded(folder)
        bitnet.unpack_weights, bitnet.WeightQuant.apply = remembered(UNPACK), remembered(QUANTISE)
        self.margins = None
        n_hooked = 0
        for module in self.model.modules():
            if isinstance(module, (AutoBitLinear, BitLinear)):
                module.register_forward_pre_hook(self._note)
                n_hooked += 1
        assert n_hooked == 7 * family.layers, f"{n_hooked} ternary linears"

    def _note(self, module, inputs):
        x = inputs[0] if module.rms_norm is None else module.rms_norm(inputs[0])
        steps = x * (127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5))
        distance = (steps - steps.floor() - 0.5).abs_().amin(-1)
        self.margins = distance if self.margins is None else torch.minimum(self.margins, distance)

    def _run(self, model, ids, **more):
        self.margins = None
        with torch.no_grad():
            return model(input_ids=ids, use_cache=True, **more), self.margins

    def prompt(self, length, seed):
        """Ids and the smallest distance from a tie, in int8 steps."""
        random = torch.Generator().manual_seed(seed)
        vocab = self.model.config.vocab_size
        ids, cache = [], None
        for _ in range(length):
            best = (-1.0, None)
            for _ in range(MAX_ROUNDS):
                candidates = torch.randint(0, vocab, (CANDIDATES, 1), generator=random)
                past = copy.deepcopy(cache)
                if past is not None:
                    past.batch_repeat_interleave(CANDIDATES)
                _, margins = self._run(self.model.model, candidates, past_key_values=past)
                margin, index = margins[:, -1].max(0)
                best = max(best, (margin.item(), candidates[index].item()))
                if best[0] >= MARGIN * 1.1:
                    break
            ids.append(best[1])
            outputs, _ = self._run(self.model.model, torch.tensor([[best[1]]]), past_key_values=cache)
            cache = outputs.past_key_values
        _, margins = self._run(self.model.model, torch.tensor([ids]))
        return ids, margins.min().item()

    def logits(self, ids):
        """Logits of all positions, `[tokens, vocab]`."""
        outputs, _ = self._run(self.model, torch.tensor([ids]))
        return outputs.logits[0].numpy()

    def greedy(self, ids, steps):
        """The ids that follow and, for each, how far the best logit is above the next."""
        outputs, _ = self._run(self.model, torch.tensor([ids]))
        chosen, gaps = [], []
        for _ in range(steps):
            top = outputs.logits[0, -1].topk(2)
            chosen.append(top.indices[0].item())
            gaps.append((top.values[0] - top.values[1]).item())
            outputs, _ = self._run(self.model, torch.tensor([chosen[-1:]]), past_key_values=outputs.past_key_values)
        return chosen, gaps
