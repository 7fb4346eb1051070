//! The causal depthwise convolution in front of Gated DeltaNet.

use std::collections::VecDeque;

/// The last inputs of one layer's convolution: kernel - 1 of them, zeros at first.
#[derive(Debug, Clone)]
pub struct ConvWindow {
    /// Oldest first, each `[channels]`.
    inputs: VecDeque<Vec<f64>>,
}

impl ConvWindow {
    /// The window before the first token, for a kernel of `taps` taps.
    pub fn new(channels: usize, taps: usize) -> Self {
        ConvWindow {
            inputs: vec![vec![0.0; channels]; taps.saturating_sub(1)].into(),
        }
    }

    /// `y[c] = Σ_t kernel[c][t] · input[t][c]` over the window and `input`, whose tap is the last. `kernel` has one row of
    /// taps for each channel. Afterwards `input` is in the window and the oldest input is not.
    pub fn convolve(&mut self, kernel: &[Vec<f64>], input: Vec<f64>) -> Vec<f64> {
        self.inputs.push_back(input);
        let channel = |(channel, taps): (usize, &Vec<f64>)| {
            let inputs = self.inputs.iter().map(|input| input[channel]);
            taps.iter().zip(inputs).map(|(tap, x)| tap * x).sum()
        };
        let out = kernel.iter().enumerate().map(channel).collect();
        self.inputs.pop_front();
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_tap_is_the_newest_input_and_zeros_come_before_the_first() {
        let kernel = [vec![1.0, 10.0, 100.0], vec![0.0, 0.0, 1.0]];
        let mut window = ConvWindow::new(2, 3);
        assert_eq!(window.convolve(&kernel, vec![1.0, 7.0]), [100.0, 7.0]);
        assert_eq!(window.convolve(&kernel, vec![2.0, 8.0]), [210.0, 8.0]);
        assert_eq!(window.convolve(&kernel, vec![3.0, 9.0]), [321.0, 9.0]);
        assert_eq!(window.convolve(&kernel, vec![4.0, 0.0]), [432.0, 0.0]);
    }

    proptest! {
        #[test]
        fn a_walk_is_the_convolution_of_the_whole_sequence(
            kernel in prop::collection::vec(-1.0..1.0, 1..6),
            inputs in prop::collection::vec(-1.0..1.0, 1..20),
        ) {
            let mut window = ConvWindow::new(1, kernel.len());
            for now in 0..inputs.len() {
                let found = window.convolve(std::slice::from_ref(&kernel), vec![inputs[now]]);
                let expected: f64 = (0..kernel.len())
                    .filter(|back| *back <= now)
                    .map(|back| kernel[kernel.len() - 1 - back] * inputs[now - back])
                    .sum();
                prop_assert!((found[0] - expected).abs() < 1e-14);
            }
        }
    }
}
