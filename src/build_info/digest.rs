//! SHA-256 as lowercase hexadecimal; knows nothing of what is hashed.

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes` as 64 lowercase hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `bytes` as lowercase hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|nibble| DIGITS[usize::from(nibble)])
        .collect()
}

/// Whether `text` is `digits` lowercase hexadecimal digits: 40 for a git object, 64 for a SHA-256.
pub fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_standard() {
        // FIPS 180-4 example: the message "abc".
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn only_lowercase_digits_of_the_right_number_are_hexadecimal() {
        assert!(is_hex("09af", 4));
        assert!(!is_hex("09AF", 4));
        assert!(!is_hex("09af", 5));
        assert!(!is_hex("09ag", 4));
    }
}
