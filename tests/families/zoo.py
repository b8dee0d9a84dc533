"""The families and their configurations, as their model cards and config files have them.

Each entry is a checkpoint as the hub has it but for the number of layers. `assumed` names what no public source that we
could read settles.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """One checkpoint."""

    name: str
    config: dict
    # How matrices are stored: "multiply" and "divide" are the two packed forms, "master" is floats.
    form: str
    # Type of all floats: "bfloat16", "float16", "float32".
    dtype: str = "bfloat16"
    # Names of the norms before o_proj and down_proj, if the family has them.
    sub_norms: tuple | None = None
    # Whose arithmetic is the reference: "transformers"; "patched" for classes that transformers lacks; "embedding" for
    # its Qwen3 with such linears, whose result is one vector.
    reference: str = "transformers"
    # What layer norms' weights are around.
    norm_size: float = 1.0
    shards: int = 1
    layers: int = 1
    # Write a GGUF of this architecture instead of a checkpoint.
    gguf: str | None = None
    assumed: str = ""
    generation: dict = field(default_factory=dict)


BITNET_2B = {
    "architectures": ["BitNetForCausalLM"],
    "auto_map": {
        "AutoConfig": "configuration_bitnet.BitNetConfig",
        "AutoModelForCausalLM": "modeling_bitnet.BitNetForCausalLM",
    },
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "hidden_act": "relu2",
    "hidden_size": 2560,
    "initializer_range": 0.02,
    "intermediate_size": 6912,
    "max_position_embeddings": 4096,
    "model_type": "bitnet",
    "rms_norm_eps": 1e-05,
    "num_attention_heads": 20,
    "num_hidden_layers": 30,
    "num_key_value_heads": 5,
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 128256,
}


def autobitlinear(mode):
    return {"quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": mode}}


LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "mlp_bias": False,
    "model_type": "llama",
    "pretraining_tp": 1,
    "rope_scaling": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
}

LLAMA3_8B = LLAMA | {
    "bos_token_id": 128000,
    "eos_token_id": 128009,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 8192,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "quantization_config": {"modules_to_not_convert": None, "quant_method": "bitnet"},
    "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0,
    "vocab_size": 128256,
}


def falcon3(hidden, ffn, layers, heads, context):
    return LLAMA | {
        "activation": "swiglu",
        "eos_token_id": 11,
        "head_dim": 256,
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "max_position_embeddings": context,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": 4,
        "quantization_config": {"modules_to_not_convert": ["lm_head"], "quant_method": "bitnet"},
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000042,
        "vocab_size": 131072,
    }


def falcon_e(ffn, layers):
    return LLAMA | {
        "bos_token_id": 1,
        "eos_token_id": 11,
        "head_dim": 128,
        "hidden_size": 2048,
        "intermediate_size": ffn,
        "max_position_embeddings": 32768,
        "num_attention_heads": 16,
        "num_hidden_layers": layers,
        "num_key_value_heads": 2,
        "quantization_config": {"modules_to_not_convert": ["lm_head"], "quant_method": "bitnet"},
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "vocab_size": 32768,
    }


def one_bit_llm(hidden, ffn, layers, heads, dtype):
    return {
        "architectures": ["BitnetForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "input_bits": 8,
        "intermediate_size": ffn,
        "max_position_embeddings": 2048,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": heads,
        "pad_token_id": 32000,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "torch_dtype": dtype,
        "use_cache": True,
        "vocab_size": 32002,
        "weight_bits": 1,
    }


QWEN3_EMBEDDING = {
    "architectures": ["Qwen3Model"],
    "attention_bias": False,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "max_position_embeddings": 32768,
    "model_type": "qwen3",
    "num_attention_heads": 16,
    "num_hidden_layers": 28,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}

SUB_NORMS = ("attn_sub_norm", "ffn_sub_norm")
OLD_SUB_NORMS = ("inner_attn_ln", "ffn_layernorm")
SIZES_OF_FALCON_E = "all sizes but vocabulary, theta, eps and number of layers; untied head"

FAMILIES = [
    Family("bitnet-b1.58-2B-4T", BITNET_2B | autobitlinear("offline"), "multiply", sub_norms=SUB_NORMS,
           norm_size=0.02, layers=2),
    Family("bitnet-b1.58-2B-4T-bf16", BITNET_2B | autobitlinear("online"), "master", sub_norms=SUB_NORMS,
           norm_size=0.02, layers=2),
    Family("bitnet-b1.58-2B-4T-gguf", BITNET_2B | autobitlinear("offline"), "multiply", sub_norms=SUB_NORMS,
           norm_size=0.02, gguf="bitnet-b1.58"),
    Family("bitnet-25-gguf", BITNET_2B | autobitlinear("offline"), "multiply", sub_norms=SUB_NORMS, gguf="bitnet-25",
           assumed="key set of the earlier upload: as the later one"),
    Family("Llama3-8B-1.58-100B-tokens", LLAMA3_8B, "divide"),
    Family("Falcon3-1B-Instruct-1.58bit", falcon3(2048, 8192, 18, 8, 8192), "divide", layers=2),
    Family("Falcon3-3B-Instruct-1.58bit", falcon3(3072, 9216, 22, 12, 32768), "divide"),
    Family("Falcon3-7B-Instruct-1.58bit", falcon3(3072, 23040, 28, 12, 32768), "divide"),
    Family("Falcon3-10B-Instruct-1.58bit", falcon3(3072, 23040, 40, 12, 32768), "divide", shards=2,
           assumed="the number of shards"),
    Family("Falcon3-1B-gguf", falcon3(2048, 8192, 18, 8, 8192), "divide", gguf="llama",
           assumed="key set of the converter's output"),
    Family("Falcon-E-1B-Base", falcon_e(8192, 24), "divide", layers=2, assumed=SIZES_OF_FALCON_E),
    Family("Falcon-E-3B-Base", falcon_e(13312, 32), "divide", assumed=SIZES_OF_FALCON_E),
    Family("bitnet_b1_58-large", one_bit_llm(1536, 4096, 24, 16, "float16"), "master", dtype="float16",
           sub_norms=OLD_SUB_NORMS, reference="patched", layers=2, assumed="f16 rather than f32 storage"),
    Family("bitnet_b1_58-xl", one_bit_llm(2048, 5460, 24, 32, "float16"), "master", dtype="float32",
           sub_norms=OLD_SUB_NORMS, reference="patched", shards=2, layers=2, assumed="the number of shards"),
    Family("bitnet_b1_58-3B", one_bit_llm(3200, 8640, 26, 32, "float16"), "master", dtype="float32",
           sub_norms=OLD_SUB_NORMS, reference="patched", shards=3, assumed="the number of shards"),
    Family("BitNet-Embedding-0.6B", QWEN3_EMBEDDING, "master", reference="embedding", layers=2,
           assumed="everything but sizes, theta, eps and the names of norms; bf16 masters"),
]
