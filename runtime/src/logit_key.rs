//! A logit and its id as one integer
//!
//! Ascending keys are descending logits, then ascending ids: the one order in which equal logits have a first.

/// The key of `logit` at `id`. +0 and -0 are one logit; NaNs lie outside all others, by their sign.
pub(crate) fn sort_key(logit: f32, id: u32) -> u64 {
    let bits = (logit + 0.0).to_bits();
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 0x8000_0000 };
    u64::from(!ascending) << 32 | u64::from(id)
}

/// The id in a key.
#[expect(clippy::cast_possible_truncation, reason = "the id is the key's low half")]
pub(crate) fn key_id(key: u64) -> u32 {
    key as u32
}

/// The logit in a key.
pub(crate) fn key_logit(key: u64) -> f32 {
    let ascending = !((key >> 32) as u32);
    f32::from_bits(if ascending >> 31 == 1 { ascending & 0x7fff_ffff } else { !ascending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_by_logit_then_id() {
        let mut keys = [sort_key(-1.0, 0), sort_key(2.0, 9), sort_key(-0.0, 4), sort_key(0.0, 3)];
        keys.sort_unstable();
        assert_eq!(keys.map(key_id), [9, 3, 4, 0]);
        assert_eq!(keys.map(key_logit), [2.0, 0.0, 0.0, -1.0]);
        let extremes = [f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, f32::MIN];
        assert!(extremes.is_sorted_by_key(|logit| sort_key(*logit, 7)));
        assert_eq!(extremes.map(|logit| key_logit(sort_key(logit, 7))), extremes);
    }
}
