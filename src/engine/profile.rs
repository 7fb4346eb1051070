//! A token taken apart: what each part of the model takes of it, by the engine's own clock. Knows no device.

/// What a part of the model takes of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartTime {
    /// What it is.
    pub part: &'static str,
    /// The kernel's name.
    pub kernel: &'static str,
    /// Launches in a token.
    pub launches: usize,
    /// Bytes of weights, keys and values, and recurrent state that a token's launches read and write.
    pub bytes: u64,
    /// Median time of a token's launches, in nanoseconds.
    pub ns: u64,
    /// Median time of a token, or of the most of it that can be timed with and without the part, in nanoseconds.
    pub with_ns: u64,
    /// Median time of the same without the part, in nanoseconds.
    pub without_ns: u64,
}

impl PartTime {
    /// By how much a token is faster without the part, in nanoseconds: more than `ns` where it keeps others from starting
    /// early, less where it starts early itself.
    pub fn in_token_ns(&self) -> i64 {
        self.with_ns as i64 - self.without_ns as i64
    }
}

/// A token taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Tokens before it.
    pub position: usize,
    /// In the order of a token.
    pub parts: Vec<PartTime>,
    /// Median time of a whole token, from one to the next on the device.
    pub token_ns: u64,
}
