//! The choice of the next token. Knows only logits.

/// The id with the largest logit, the lowest of equal ones; none where there are no logits or one is not a number.
pub fn greedy(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(usize, f32)> = None;
    for (id, logit) in logits.iter().copied().enumerate() {
        if logit.is_nan() {
            return None;
        }
        if best.is_none_or(|(_, largest)| logit > largest) {
            best = Some((id, logit));
        }
    }
    best.and_then(|(id, _)| u32::try_from(id).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_lowest_id_is_chosen() {
        assert_eq!(greedy(&[-1.0, 2.5, 0.0, 2.5]), Some(1));
        assert_eq!(greedy(&[-0.0, 0.0]), Some(0));
        assert_eq!(greedy(&[f32::NEG_INFINITY]), Some(0));
    }

    #[test]
    fn without_numbers_nothing_is_chosen() {
        assert_eq!(greedy(&[]), None);
        assert_eq!(greedy(&[1.0, f32::NAN, 3.0]), None);
    }
}
