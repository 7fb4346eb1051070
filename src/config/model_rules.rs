//! What must hold in a model file beyond the types of its values.

use std::collections::BTreeSet;

use super::check::{self, Failure};
use super::model::{Attention, Experts, Model, Recurrent, Stated, WeightsPin};

impl Model {
    pub(super) fn check(&self) -> Result<(), Failure> {
        check::name("name", &self.name)?;
        check::text("title", &self.title)?;
        check::text("publisher_repository", &self.publisher_repository)?;
        check::name("architecture", &self.architecture)?;
        for (path, value) in [
            ("parameter_count", self.parameter_count),
            ("parameters_per_token", self.parameters_per_token),
            ("layer_count", u64::from(self.layer_count)),
            ("hidden_size", self.hidden_size),
            ("vocabulary_size", self.vocabulary_size),
            ("context_max_tokens", self.context_max_tokens),
        ] {
            check::count(path, value)?;
        }
        for (path, value) in [
            ("shared_expert_width", self.shared_expert_width),
            ("dense_ffn_width", self.dense_ffn_width),
        ] {
            if let Some(value) = value {
                check::count(path, value)?;
            }
        }
        check::quantity("rms_norm_epsilon", self.rms_norm_epsilon)?;
        if let Some(cap) = self.final_logit_softcap {
            check::quantity("final_logit_softcap", cap)?;
        }
        check::not_empty("attention", &self.attention)?;
        for (i, attention) in self.attention.iter().enumerate() {
            attention.check(&format!("attention[{i}]"))?;
        }
        if let Some(recurrent) = &self.recurrent {
            recurrent.check()?;
        }
        self.check_layers()?;
        self.experts.check()?;
        self.check_weights()?;
        self.stated.check()
    }

    /// Every layer is listed once: under one kind of attention or as recurrent.
    fn check_layers(&self) -> Result<(), Failure> {
        let mut lists: Vec<(String, &[u32])> = self
            .attention
            .iter()
            .enumerate()
            .map(|(i, kind)| (format!("attention[{i}].layers"), kind.layers.as_slice()))
            .collect();
        if let Some(recurrent) = &self.recurrent {
            lists.push(("recurrent.layers".to_owned(), &recurrent.layers));
        }
        let mut seen = BTreeSet::new();
        for (path, layers) in &lists {
            check::not_empty(path, layers)?;
            for (i, layer) in layers.iter().enumerate() {
                let item = format!("{path}[{i}]");
                check::at_most(&item, *layer, self.layer_count - 1, "the last layer")?;
                if !seen.insert(*layer) {
                    return Err(Failure::new(item, format!("layer {layer} is listed twice")));
                }
            }
        }
        match (0..self.layer_count).find(|layer| !seen.contains(layer)) {
            Some(layer) => Err(Failure::new(
                "layer_count",
                format!("layer {layer} is listed under no kind of attention"),
            )
            .hint("list every layer once, under `attention` or `recurrent`")),
            None => Ok(()),
        }
    }

    fn check_weights(&self) -> Result<(), Failure> {
        check::not_empty("weights", &self.weights)?;
        for (i, pin) in self.weights.iter().enumerate() {
            pin.check(&format!("weights[{i}]"))?;
        }
        let pins = self.weights.iter().enumerate();
        let defaults: Vec<usize> = pins
            .filter(|(_, pin)| pin.default)
            .map(|(i, _)| i)
            .collect();
        if defaults.len() != 1 {
            let path = match defaults.get(1) {
                Some(second) => format!("weights[{second}].default"),
                None => "weights".to_owned(),
            };
            let message = format!("expected one default file, found {}", defaults.len());
            return Err(Failure::new(path, message).hint("mark one file with `default: true`"));
        }
        for (i, pin) in self.synthetic.iter().enumerate() {
            let path = format!("synthetic[{i}]");
            check::name(&format!("{path}.mix"), &pin.mix)?;
            check::count(&format!("{path}.bytes"), pin.bytes)?;
            check::sha256(&format!("{path}.sha256"), &pin.sha256)?;
        }
        Ok(())
    }
}

impl Attention {
    fn check(&self, path: &str) -> Result<(), Failure> {
        check::name(&format!("{path}.name"), &self.name)?;
        for (key, value) in [
            ("query_heads", self.query_heads),
            ("kv_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("rotary_dim", self.rotary_dim),
        ] {
            check::count(&format!("{path}.{key}"), value)?;
        }
        if !self.query_heads.is_multiple_of(self.kv_heads) {
            return Err(Failure::new(
                format!("{path}.kv_heads"),
                format!(
                    "{} query heads cannot share {} kv heads evenly",
                    self.query_heads, self.kv_heads
                ),
            ));
        }
        check::at_most(
            &format!("{path}.rotary_dim"),
            self.rotary_dim,
            self.head_dim,
            "the head",
        )?;
        if let Some(window) = self.window_tokens {
            check::count(&format!("{path}.window_tokens"), window)?;
        }
        check::quantity(&format!("{path}.rope_theta"), self.rope_theta)?;
        check::quantity(&format!("{path}.softmax_scale"), self.softmax_scale)
    }
}

impl Recurrent {
    fn check(&self) -> Result<(), Failure> {
        for (key, value) in [
            ("key_heads", self.key_heads),
            ("value_heads", self.value_heads),
            ("head_dim", self.head_dim),
            ("conv_taps", self.conv_taps),
        ] {
            check::count(&format!("recurrent.{key}"), value)?;
        }
        Ok(())
    }
}

impl Experts {
    fn check(&self) -> Result<(), Failure> {
        check::count("experts.count", self.count)?;
        check::count("experts.per_token", self.per_token)?;
        check::count("experts.width", self.width)?;
        check::at_most(
            "experts.per_token",
            self.per_token,
            self.count,
            "all experts of a layer",
        )
    }
}

impl WeightsPin {
    fn check(&self, path: &str) -> Result<(), Failure> {
        check::text(&format!("{path}.repository"), &self.repository)?;
        check::relative_file(&format!("{path}.file"), &self.file)?;
        check::count(&format!("{path}.bytes"), self.bytes)?;
        check::sha256(&format!("{path}.sha256"), &self.sha256)?;
        check::value_or_reason(
            &format!("{path}.revision"),
            self.revision.is_some(),
            self.revision_reason.as_deref(),
        )?;
        if let Some(revision) = &self.revision {
            check::git_commit(&format!("{path}.revision"), revision)?;
        }
        check::value_or_reason(
            &format!("{path}.mix"),
            self.mix.is_some(),
            self.mix_reason.as_deref(),
        )?;
        match &self.mix {
            Some(mix) => check::name(&format!("{path}.mix"), mix),
            None => Ok(()),
        }
    }
}

impl Stated {
    fn check(&self) -> Result<(), Failure> {
        // A model may have no windowed layers or no recurrent state: those two may be 0.
        for (key, value) in [
            ("tensor_bytes", self.tensor_bytes),
            ("weight_bytes_per_token", self.weight_bytes_per_token),
            ("kv_bytes_per_token_f16", self.kv_bytes_per_token_f16),
            ("expert_min_bytes", self.expert_min_bytes),
            ("expert_max_bytes", self.expert_max_bytes),
            ("expert_f16_bytes", self.expert_f16_bytes),
            (
                "memory_at_262144_context_bytes",
                self.memory_at_262144_context_bytes,
            ),
            (
                "token_bytes_at_2048_context",
                self.token_bytes_at_2048_context,
            ),
            (
                "token_bytes_at_32768_context",
                self.token_bytes_at_32768_context,
            ),
            (
                "token_bytes_at_262144_context",
                self.token_bytes_at_262144_context,
            ),
        ] {
            check::count(&format!("stated.{key}"), value)?;
        }
        Ok(())
    }
}
