//! The digest of a list of token ids, as results state it. Knows no vocabulary.

use crate::build_info::sha256_hex;

/// SHA-256 of ids in decimal with one space between neighbours and nothing else. Python:
/// `hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()`
pub fn ids_sha256(ids: &[u32]) -> String {
    let decimal: Vec<String> = ids.iter().map(u32::to_string).collect();
    sha256_hex(decimal.join(" ").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        // printf '2 9259 1902' | sha256sum
        assert_eq!(
            ids_sha256(&[2, 9259, 1902]),
            "a8fccbc7ff4df64683f41cd494104aa786662d59ac0b914e8778c66410d42302"
        );
        // sha256sum < /dev/null
        assert_eq!(
            ids_sha256(&[]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
