//! The scalar functions of both architectures, in f64. Knows no vectors.

/// 1 / (1 + e^-x), without overflow on either side.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        x.exp() / (1.0 + x.exp())
    }
}

/// x · sigmoid(x), also called swish (Ramachandran, Zoph, Le 2017).
pub fn silu(x: f64) -> f64 {
    x * sigmoid(x)
}

/// The tanh form of the Gaussian error linear unit (Hendrycks, Gimpel 2016), which Gemma's weights were trained with.
pub fn gelu(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}

/// ln(1 + e^x), without overflow.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Holds `x` smoothly between -`cap` and `cap`: cap · tanh(x / cap).
pub fn softcap(x: f64, cap: f64) -> f64 {
    cap * (x / cap).tanh()
}
