//! Several files in one input

/// Stands between the files of one input: a line that none of them holds by nature.
const SEPARATOR: &[u8] = b"\n=====\n";

/// The files of an input, the first `N` of them; those that are missing are empty.
pub(super) fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut rest = Some(data);
    core::array::from_fn(|_| {
        let Some(data) = rest else { return &[][..] };
        let at = data.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
        rest = at.map(|at| &data[at + SEPARATOR.len()..]);
        &data[..at.unwrap_or(data.len())]
    })
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_are_cut_at_separators_and_missing_ones_are_empty() {
        assert_eq!(parts(b"a\n=====\n\n=====\nb\n=====\nc"), [&b"a"[..], b"", b"b"]);
        assert_eq!(parts(b"a\n====="), [&b"a\n====="[..], b""]);
    }
}
