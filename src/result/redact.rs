//! Takes what identifies a machine or a person out of a record, in a way that a reader can see.

use sha2::{Digest, Sha256};

use super::{Identity, IdentityForm, Payload, Reading, Salt};
use crate::build_info::hex;

/// What stands in place of something redacted.
pub const REDACTED: &str = "redacted";

impl Payload {
    /// Replaces the GPU's UUID by its salted hash, drops the PCI bus id and the host name, and every path from the
    /// command line and from warnings; marks the session as redacted.
    pub fn redact(&mut self, salt: &Salt) {
        let mut secrets: Vec<String> = self
            .machine
            .host
            .name
            .value()
            .cloned()
            .into_iter()
            .collect();
        self.machine.host.name = Reading::missing(REDACTED);
        self.machine.gpu = std::mem::replace(&mut self.machine.gpu, Reading::missing(REDACTED))
            .map(|mut gpu| {
                secrets.extend(gpu.pci_bus_id.value().cloned());
                gpu.pci_bus_id = Reading::missing(REDACTED);
                if gpu.uuid.form == IdentityForm::Plain {
                    secrets.push(gpu.uuid.value.clone());
                    gpu.uuid = salted(salt, &gpu.uuid.value);
                }
                gpu
            });
        for argument in &mut self.session.arguments {
            *argument = without_path(argument);
        }
        for engine in &mut self.engines {
            for argument in &mut engine.arguments {
                *argument = without_path(argument);
            }
            // The other variables are the same for every engine.
            for (name, value) in &mut engine.environment {
                if name.starts_with("CUDA_") {
                    *value = without_secret(value, &secrets);
                }
            }
        }
        for case in &mut self.cases {
            if let Some(reason) = &mut case.reason {
                *reason = without_secrets(reason, &secrets);
            }
            let stages = case.generation.as_mut().and_then(|g| g.stages.as_mut());
            if let Some(stages) = stages
                && let Some(reason) = stages.reason()
            {
                *stages = Reading::missing(without_secrets(reason, &secrets));
            }
        }
        for warning in &mut self.warnings {
            for text in [&mut warning.message, &mut warning.hint] {
                *text = without_secrets(text, &secrets);
            }
        }
        self.session.redacted = true;
    }
}

/// SHA-256 of the salt's bytes followed by the identity's.
fn salted(salt: &Salt, identity: &str) -> Identity {
    let mut hash = Sha256::new();
    hash.update(salt.0);
    hash.update(identity);
    Identity {
        form: IdentityForm::SaltedSha256,
        value: hex(&hash.finalize()),
    }
}

/// `--out=/home/me/x` becomes `--out=[redacted]`.
fn without_path(argument: &str) -> String {
    let (name, value) = match argument.split_once('=') {
        Some((name, value)) if name.starts_with('-') => (Some(name), value),
        _ => (None, argument),
    };
    match (leads_elsewhere(value), name) {
        (false, _) => argument.to_owned(),
        (true, Some(name)) => format!("{name}=[{REDACTED}]"),
        (true, None) => format!("[{REDACTED}]"),
    }
}

fn without_secrets(text: &str, secrets: &[String]) -> String {
    let words = text.split(' ').map(|word| without_secret(word, secrets));
    words.collect::<Vec<_>>().join(" ")
}

fn without_secret(word: &str, secrets: &[String]) -> String {
    let bare = word.trim_start_matches(['`', '"', '\'', '(']);
    let is_secret = secrets.iter().any(|secret| word.contains(secret.as_str()));
    match is_secret || leads_elsewhere(bare) {
        true => format!("[{REDACTED}]"),
        false => word.to_owned(),
    }
}

/// Whether a path leaves the working directory, and so may hold a person's name.
fn leads_elsewhere(path: &str) -> bool {
    path.starts_with(['/', '~']) || path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::super::{sample, seal};
    use super::*;

    #[test]
    fn nothing_that_identifies_is_left_after_redaction() {
        let mut payload = sample::h100();
        payload.session.arguments = [
            "run",
            "--out=/home/ada/results",
            "--target",
            "../ada/h100.yaml",
            "--model",
            "configs/x.yaml",
        ]
        .map(str::to_owned)
        .to_vec();
        payload.warnings.push(super::super::Warning {
            code: "gpu_shared".to_owned(),
            message: "rig-of-ada shares GPU-0f7c9a3e-5f4c-4f0a-9d3c-2b1f0c7d8e9a at 00000000:18:00.0 (/home/ada/x), 3 GB/s".to_owned(),
            hint: "stop the other process".to_owned(),
        });
        payload.redact(&Salt([7; 32]));
        let text = seal(&payload).unwrap().text;
        for secret in ["ada", "0f7c9a3e", "00000000:18"] {
            assert!(!text.contains(secret), "{secret}");
        }
        assert!(payload.session.redacted);
        assert_eq!(
            payload.session.arguments,
            [
                "run",
                "--out=[redacted]",
                "--target",
                "[redacted]",
                "--model",
                "configs/x.yaml"
            ]
        );
        assert!(payload.warnings.last().unwrap().message.ends_with("3 GB/s"));
    }

    // Recomputed with: printf '\7%.0s' {1..32} | cat - <(printf GPU-0f7c9a3e-5f4c-4f0a-9d3c-2b1f0c7d8e9a) | sha256sum
    #[test]
    fn one_salt_gives_one_hash() {
        let hash = |salt| {
            let mut payload = sample::h100();
            payload.redact(&Salt(salt));
            payload.machine.gpu.value().unwrap().uuid.value.clone()
        };
        assert_eq!(
            hash([7; 32]),
            "6d01b43669add0935f48bf44634f2ef27e3faf51ae13ef9aed66c36e24706322"
        );
        assert_ne!(hash([8; 32]), hash([7; 32]));
    }
}
