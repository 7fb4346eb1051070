//! Lies about the model: what is computed is not what was asked for.

use std::path::Path;
use std::{env, fs, process};

use sparkbench::engine::{self, Device, Engine, EngineError, Options, greedy};
use sparkbench::model::Architecture;

/// The real engine behind a face that tells something else.
pub struct LyingModel {
    lie: String,
    inner: Box<dyn Engine>,
    /// Of the file that was asked for.
    architecture: Architecture,
    logits: Vec<f32>,
    routing: Vec<Vec<u32>>,
    /// Chosen in this context, and in the one before.
    chosen: Vec<u32>,
    stale: Vec<u32>,
}

impl LyingModel {
    pub fn open(
        lie: &str,
        device: Device,
        path: &Path,
        options: Options,
    ) -> Result<Box<dyn Engine>, EngineError> {
        let inner = engine::open(device, path, options)?;
        let architecture = inner.architecture().clone();
        Ok(Self::boxed(lie, inner, architecture))
    }

    fn boxed(lie: &str, inner: Box<dyn Engine>, architecture: Architecture) -> Box<dyn Engine> {
        Box::new(LyingModel {
            lie: lie.to_owned(),
            inner,
            architecture,
            logits: Vec::new(),
            routing: Vec::new(),
            chosen: Vec::new(),
            stale: Vec::new(),
        })
    }

    /// The id that the lie wants next, if it cares.
    fn wanted(&self) -> Option<u32> {
        let step = self.chosen.len();
        match self.lie.as_str() {
            // Looks like text, whatever the prompt.
            "canned" => Some((step as u32 * 193 + 17) % self.architecture.vocabulary() as u32),
            "stale" => self.stale.get(step).copied(),
            _ => None,
        }
    }

    fn tell(&mut self) {
        self.logits = self.inner.logits().to_vec();
        if let Some(id) = self.wanted() {
            self.logits.fill(0.0);
            self.logits[id as usize] = 1.0;
        }
        self.chosen.extend(greedy(&self.logits));
        let (experts, used) = self.architecture.experts();
        self.routing = self.inner.routing().to_vec();
        for layer in &mut self.routing {
            match self.lie.as_str() {
                "half_a_trace" => layer.truncate(used as usize / 2),
                "repeated_experts" => layer[1] = layer[0],
                "expert_out_of_range" => layer[1] = experts as u32,
                _ => {}
            }
            // Where fewer were used, others are named.
            if self.lie == "few_experts" {
                let unused = (0..experts as u32).filter(|id| !layer.contains(id));
                let missing = used as usize - layer.len();
                let padding: Vec<u32> = unused.take(missing).collect();
                layer.extend(padding);
            }
        }
    }
}

/// Reads the file as if a token used half as many experts, and says that it used all.
pub fn with_half_the_experts(
    device: Device,
    path: &Path,
    options: Options,
) -> Result<Box<dyn Engine>, EngineError> {
    let architecture = engine::open(device, path, options)?.architecture().clone();
    let (_, used) = architecture.experts();
    let mut bytes = fs::read(path).unwrap();
    // A key, its type (4: u32) and its value.
    let key = b".expert_used_count";
    let at = bytes
        .windows(key.len())
        .position(|window| window == key)
        .unwrap()
        + key.len()
        + 4;
    let half = (used as u32 / 2).to_le_bytes();
    bytes[at..at + 4].copy_from_slice(&half);
    let copy = env::temp_dir().join(format!("liar-{}.gguf", process::id()));
    fs::write(&copy, bytes).unwrap();
    let inner = engine::open(device, &copy, options);
    // The engine has mapped it.
    fs::remove_file(&copy).unwrap();
    Ok(LyingModel::boxed("few_experts", inner?, architecture))
}

impl Engine for LyingModel {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn position(&self) -> usize {
        self.inner.position()
    }

    fn context(&self) -> usize {
        self.inner.context()
    }

    fn reset(&mut self) {
        self.inner.reset();
        let chosen = std::mem::take(&mut self.chosen);
        if !chosen.is_empty() {
            self.stale = chosen;
        }
    }

    fn prefill(&mut self, ids: &[u32]) -> Result<(), EngineError> {
        self.inner.prefill(ids)?;
        self.tell();
        Ok(())
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn routing(&self) -> &[Vec<u32>] {
        &self.routing
    }
}
