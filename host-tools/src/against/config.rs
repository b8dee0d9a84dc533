//! Two configurations, field by field

use ternlet_runtime::Config;

use super::Differences;

/// Names every field but the name that differs. The user chooses the name.
pub(super) fn compare(found: &Config, expected: &Config, differences: &mut Differences) {
    macro_rules! fields {
        ($($field:ident)*) => {
            // Without `..`: a field that is added is compared or named here.
            let Config { name: _, $($field: _,)* } = expected;
            $(if found.$field != expected.$field {
                let (expected, found) = (&expected.$field, &found.$field);
                differences.add(format!("{}: expected {expected:?}, found {found:?}", stringify!($field)));
            })*
        };
    }
    fields! {
        dim hidden_dim n_layers n_heads n_kv_heads head_dim vocab_size max_seq_len norm_eps hidden_act
        has_sub_norms has_qk_norm linear_norm_eps tied_embedding pooling rope_theta bos_token_id eos_token_ids sampling
    }
}

/// Whether both have the same tensors.
pub(super) fn same_shape(a: &Config, b: &Config) -> bool {
    let widths =
        |c: &Config| [c.dim, c.hidden_dim, c.n_layers, c.n_heads, c.n_kv_heads, c.head_dim, c.vocab_size];
    let parts = |c: &Config| {
        [c.has_sub_norms, c.has_qk_norm, c.linear_norm_eps.is_some(), c.tied_embedding, c.pooling.is_some()]
    };
    widths(a) == widths(b) && parts(a) == parts(b)
}
