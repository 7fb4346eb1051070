//! What the vocabularies in model files consist of: types of tokens, and letters that stand for bytes.

/// The type of a token. The numbers are those of llama.cpp's `llama_token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// Text that merges arrive at.
    Normal = 1,
    /// Stands for what has no token.
    Unknown = 2,
    /// Steers the model and is never made from text.
    Control = 3,
    /// Taken whole wherever it stands in a text.
    UserDefined = 4,
    /// A place that no text has.
    Unused = 5,
    /// One byte, for characters that have no token.
    Byte = 6,
}

impl TokenType {
    /// The type of a number in a file.
    pub fn from_id(id: i64) -> Option<Self> {
        [
            TokenType::Normal,
            TokenType::Unknown,
            TokenType::Control,
            TokenType::UserDefined,
            TokenType::Unused,
            TokenType::Byte,
        ]
        .into_iter()
        .find(|ty| i64::from(ty.id()) == id)
    }

    /// The number that a file stores.
    pub fn id(self) -> i32 {
        self as i32
    }
}

/// The letter that stands for a byte in byte-level BPE: itself where it prints, else the next one from U+0100.
pub fn byte_letter(byte: u8) -> char {
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if prints(byte) {
        return char::from(byte);
    }
    let earlier = (0..byte).filter(|byte| !prints(*byte)).count() as u32;
    char::from_u32(0x100 + earlier).unwrap_or(char::REPLACEMENT_CHARACTER)
}
