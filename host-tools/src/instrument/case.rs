//! What is measured: one combination of threads, conversations and prompt length

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    /// Worker threads.
    pub(crate) threads: u32,
    /// Conversations that decode together, one token each a pass.
    pub(crate) slots: u32,
    /// Tokens that each slot holds when decoding starts.
    pub(crate) prompt_tokens: u32,
    /// Tokens that each slot generates.
    pub(crate) n_tokens: u32,
}

/// Every combination: threads change slowest, prompts fastest. Values that are given twice count once.
pub(crate) fn cases(threads: &[u32], slots: &[u32], prompts: &[u32], n_tokens: u32) -> Vec<Case> {
    let mut all = Vec::new();
    for &threads in threads {
        for &slots in slots {
            for &prompt_tokens in prompts {
                let case = Case { threads, slots, prompt_tokens, n_tokens };
                if !all.contains(&case) {
                    all.push(case);
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_every_combination_once() {
        let all = cases(&[1, 2, 1], &[1, 4], &[16], 8);
        let found: Vec<[u32; 2]> = all.iter().map(|case| [case.threads, case.slots]).collect();
        assert_eq!(found, [[1, 1], [1, 4], [2, 1], [2, 4]]);
    }
}
