//! The word that somebody probably meant.

/// The known word that was probably meant: the same quantity in another unit, a slip of the keyboard, or the one word
/// that begins like it.
pub(super) fn nearest<'a, S: AsRef<str>>(word: &str, known: &'a [S]) -> Option<&'a str> {
    // No key is nearly as long; the distance takes time with the product of both lengths.
    if word.len() > 100 {
        return None;
    }
    let known = || known.iter().map(AsRef::as_ref);
    let length = |a: &str, b: &str| a.chars().count().max(b.chars().count());
    let other_unit = known().find(|k| stem(word) != word && stem(word) == stem(k));
    let slip = || {
        known()
            .map(|k| (distance(word, k), k))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, k)| distance * 3 <= length(word, k))
            .map(|(_, k)| k)
    };
    let beginning = || {
        let mut longer = known().filter(|k| {
            k.strip_prefix(word)
                .is_some_and(|rest| rest.starts_with('_'))
        });
        longer.next().filter(|_| longer.next().is_none())
    };
    other_unit.or_else(slip).or_else(beginning)
}

/// Endings that say in what a number is counted.
const UNITS: [&str; 24] = [
    "bytes", "kib", "mib", "gib", "kb", "mb", "gb", "tb", "gbps", "gbs", "tbps", "gibps", "mhz",
    "ghz", "hz", "watts", "w", "tflops", "tops", "ns", "us", "ms", "tokens", "s",
];

/// A key without the unit at its end: `memory` of `memory_gib`.
pub(super) fn stem(key: &str) -> &str {
    match key.rsplit_once('_') {
        Some((stem, unit)) if UNITS.contains(&unit) => stem,
        _ => key,
    }
}

/// What a number under this key is counted in, for the hint of a wrong type.
pub(super) fn unit_of(key: &str) -> Option<&'static str> {
    let (_, unit) = key.rsplit_once('_').unwrap_or(("", key));
    match unit {
        "bytes" => Some("bytes, a plain integer: 33660534784, not 32 GB or 32_000"),
        "gbps" => Some("10^9 bytes per second, a plain number: 1792, not ~1792 or 1.8 TB/s"),
        "mhz" => Some("megahertz, a plain number"),
        "watts" => Some("watts, a plain number"),
        "ns" => Some("nanoseconds, a plain number"),
        "tflops" => Some("10^12 operations per second, a plain number"),
        "tops" => Some("10^12 operations per second, a plain number"),
        "tokens" => Some("tokens, a plain integer: 32768, not 32K"),
        "s" => Some("tokens per second, a plain number"),
        _ => None,
    }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = [
        "name",
        "bandwidth_gbps",
        "memory_bytes",
        "memory_kind",
        "l2_bytes",
    ];

    #[test]
    fn a_slip_finds_its_key() {
        assert_eq!(nearest("nam", &KEYS), Some("name"));
        assert_eq!(nearest("bandwith_gbps", &KEYS), Some("bandwidth_gbps"));
    }

    #[test]
    fn another_unit_finds_the_quantity() {
        assert_eq!(nearest("memory_gib", &KEYS), Some("memory_bytes"));
        assert_eq!(nearest("l2_mb", &KEYS), Some("l2_bytes"));
        assert_eq!(nearest("bandwidth_gb", &KEYS), Some("bandwidth_gbps"));
    }

    #[test]
    fn a_beginning_finds_the_one_key_that_continues_it() {
        assert_eq!(nearest("bandwidth", &KEYS), Some("bandwidth_gbps"));
        assert_eq!(nearest("memory", &KEYS), None);
    }

    #[test]
    fn a_strange_word_finds_nothing() {
        assert_eq!(nearest("expert_paging", &KEYS), None);
        assert_eq!(nearest("", &KEYS), None);
    }

    #[test]
    fn distance_is_that_of_levenshtein() {
        // The usual textbook pair.
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
