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

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-15 * expected.abs().max(1.0),
            "{found}, not {expected}"
        );
    }

    /// Expected values from the formulas in Python's `math`.
    #[test]
    fn the_functions_have_these_values() {
        near(sigmoid(-2.0), 0.11920292202211755);
        near(sigmoid(0.5), 0.6224593312018546);
        near(silu(0.5), 0.3112296656009273);
        near(softplus(1.0), 1.3132616875182228);
        near(softcap(45.0, 30.0), 27.154447609345993);
        for (x, expected) in [
            (-3.0, -0.0036373920817729943),
            (-0.5, -0.15428599017485606),
            (1.0, 0.8411919906082768),
            (2.5, 2.484915733910001),
        ] {
            near(gelu(x), expected);
        }
    }

    #[test]
    fn far_from_zero_nothing_overflows() {
        assert_eq!([sigmoid(-1e4), sigmoid(1e4)], [0.0, 1.0]);
        assert_eq!([softplus(-1e4), softplus(1e4)], [0.0, 1e4]);
        assert_eq!([gelu(-1e4), gelu(1e4)], [0.0, 1e4]);
        assert_eq!([silu(-1e4), silu(1e4)], [0.0, 1e4]);
        assert_eq!([softcap(-1e9, 30.0), softcap(1e9, 30.0)], [-30.0, 30.0]);
    }
}
