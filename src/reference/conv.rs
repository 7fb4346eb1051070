//! The causal depthwise convolution in front of Gated DeltaNet.

use std::collections::VecDeque;

/// The last inputs of one layer's convolution: kernel - 1 of them, zeros at first.
#[derive(Debug, Clone)]
pub struct ConvWindow {
    /// Oldest first, each [channels].
    inputs: VecDeque<Vec<f64>>,
}

impl ConvWindow {
    /// The window before the first token, for a kernel of `taps` taps.
    pub fn new(channels: usize, taps: usize) -> Self {
        ConvWindow {
            inputs: vec![vec![0.0; channels]; taps.saturating_sub(1)].into(),
        }
    }

    /// y[c] = Σ_t kernel[c][t] · input[t][c] over the window and `input`, whose tap is the last. `kernel` has one row of
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
