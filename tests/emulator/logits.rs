//! Logits of the emulated GPU, token by token and behind prompts, beside the CPU engine's and the reference's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sparkbench::gguf::Gguf;
use sparkbench::model::Architecture;
use sparkbench::reference::Decoder;

use crate::library::{self, Built};
use crate::program::{stderr, text};
use crate::{ENGINE, ORDERS, models, timed, with_gpu};

/// Keys and values are f16 on the GPU and f32 on the processor, which is most of the difference.
const LIMIT_SIGMA: f64 = 3e-3;

/// A model that reads some ids.
struct Case<'a> {
    built: &'a Built,
    name: &'a str,
    model: PathBuf,
    tokens: PathBuf,
    ids: Vec<u32>,
}

impl<'a> Case<'a> {
    /// Keeps what programs read and write in `home`.
    fn new(built: &'a Built, name: &'a str, home: &Path, model: &[u8], ids: Vec<u32>) -> Self {
        let case = Case {
            built,
            name,
            model: home.join("model.gguf"),
            tokens: home.join("ids"),
            ids,
        };
        fs::write(&case.model, model).unwrap();
        let words: Vec<String> = case.ids.iter().map(u32::to_string).collect();
        fs::write(&case.tokens, words.join(" ")).unwrap();
        case
    }

    /// Logits behind each token as `spark-engine score` writes them; with `lengths` of prompts, behind each of those and
    /// each token that follows.
    fn scores(&self, mut command: Command, device: &str, lengths: &[usize]) -> Vec<f64> {
        let out = self.model.with_extension("npy");
        command
            .args(["score", "--device", device, "--model", text(&self.model)])
            .args(["--tokens", text(&self.tokens), "--out", text(&out)]);
        if !lengths.is_empty() {
            let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
            command.args(["--prompts", &lengths.join(",")]);
        }
        let output = timed(device, || command.output().unwrap());
        assert!(
            output.status.success(),
            "{}: {}",
            self.name,
            stderr(&output)
        );
        numbers(&fs::read(out).unwrap())
    }

    fn on_gpu(&self, order: &[(&str, &str)], lengths: &[usize]) -> Vec<f64> {
        let mut command = with_gpu(self.built, Path::new(ENGINE));
        command.envs(order.iter().copied());
        self.scores(command, "cuda", lengths)
    }

    fn on_cpu(&self) -> Vec<f64> {
        self.scores(Command::new(ENGINE), "cpu", &[])
    }

    /// Holds what the GPU computes in both orders against `theirs`, the processor's; gives the logits.
    fn compare(&self, theirs: &[f64]) -> Vec<f64> {
        let [ours, again] = ORDERS.map(|order| self.on_gpu(order, &[]));
        assert!(ours == again, "{}: two runs differ", self.name);
        self.assert_near("token by token", distance(&ours, theirs));
        ours
    }

    /// Reads the same ids in prompts: rows behind them, and behind what follows token by token, are those of the processor.
    /// The texts of a group are cut in other places, which makes no difference to the bits of the last row.
    fn compare_prompts(&self, theirs: &[f64], groups: &[&[&[usize]]]) {
        let vocabulary = theirs.len() / self.ids.len();
        for group in groups {
            let last = group
                .iter()
                .zip(ORDERS.iter().cycle())
                .map(|(lengths, order)| {
                    let ours = self.on_gpu(order, lengths);
                    // Rows stand behind each prompt, then behind every token.
                    let mut ends: Vec<usize> = Vec::new();
                    for length in *lengths {
                        ends.push(ends.last().unwrap_or(&0) + length);
                    }
                    ends.extend(ends.last().unwrap() + 1..=self.ids.len());
                    assert_eq!(ours.len(), ends.len() * vocabulary);
                    let rows = ours.chunks(vocabulary).zip(&ends);
                    let distances = rows.map(|(ours, end)| {
                        distance(ours, &theirs[(end - 1) * vocabulary..][..vocabulary])
                    });
                    let what = format!("prompts of {lengths:?}");
                    self.assert_near(&what, distances.fold(0.0, f64::max));
                    ours[ours.len() - vocabulary..].to_vec()
                });
            let last: Vec<Vec<f64>> = last.collect();
            assert!(
                last.windows(2).all(|two| two[0] == two[1]),
                "{}: {group:?}",
                self.name
            );
        }
    }

    fn assert_near(&self, what: &str, distance: f64) {
        println!(
            "{}, {what}: largest difference {distance:.1e} sigma",
            self.name
        );
        assert!(distance <= LIMIT_SIGMA, "{}, {what}: {distance}", self.name);
    }

    /// Mean Kullback-Leibler divergence of the logits of `ours` from those of the reference, in nats.
    fn divergence_from_reference(&self, ours: &[f64]) -> f64 {
        let file = Gguf::open(&self.model).unwrap();
        let mut reference = Decoder::new(&file).unwrap();
        let rows = ours.chunks(ours.len() / self.ids.len());
        let each = self.ids.iter().zip(rows).map(|(id, ours)| {
            let theirs = reference.step(*id).unwrap();
            let (of_ours, of_theirs) = (log_sum(ours), log_sum(theirs));
            let pairs = ours.iter().zip(theirs);
            pairs
                .map(|(ours, theirs)| {
                    let (ours, theirs) = (ours - of_ours, theirs - of_theirs);
                    theirs.exp() * (theirs - ours)
                })
                .sum::<f64>()
        });
        each.sum::<f64>() / self.ids.len() as f64
    }
}

/// The numbers of a .npy file.
fn numbers(file: &[u8]) -> Vec<f64> {
    let header = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let (numbers, rest) = file[header..].as_chunks::<4>();
    assert!(rest.is_empty());
    numbers
        .iter()
        .map(|x| f32::from_le_bytes(*x).into())
        .collect()
}

/// Largest difference of two rows' or texts' logits, over the deviation of the second's.
fn distance(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let count = theirs.len() as f64;
    let mean = theirs.iter().sum::<f64>() / count;
    let squares: f64 = theirs.iter().map(|x| (x - mean).powi(2)).sum();
    let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    // A logit that is no number is as far away as can be.
    let largest = differences.fold(0.0, |a: f64, b| if b <= a { a } else { b });
    match ours.iter().all(|x| x.is_finite()) {
        true => largest / (squares / count).sqrt(),
        false => f64::INFINITY,
    }
}

/// Logarithm of the sum of exponentials.
fn log_sum(row: &[f64]) -> f64 {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + row.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

/// `count` ids without a pattern, of a vocabulary of 200 or more.
fn ids(count: u32) -> Vec<u32> {
    (1..=count).map(|n| n * n * 37 % 200).collect()
}

/// Cuts of a text of `count` tokens.
fn compare_cuts(case: &Case, theirs: &[f64]) {
    let count = case.ids.len();
    case.compare_prompts(
        theirs,
        &[
            &[&[count], &[7, count - 7]],
            &[&[1; 3]],
            &[&[count - 10], &[3, count - 13]],
        ],
    );
}

/// Compares on a file of `architecture` made from each of `seeds`.
fn compare_made(name: &str, architecture: &Architecture, seeds: &[u64]) {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    for seed in seeds {
        let model = models::file(architecture, *seed);
        let case = Case::new(&built, name, home.path(), &model, ids(24));
        let theirs = case.on_cpu();
        case.compare(&theirs);
        compare_cuts(&case, &theirs);
    }
}

#[test]
fn odd_sizes_and_every_type_give_the_logits_of_the_processor() {
    compare_made("odd qwen", &models::odd_qwen(), &[1, 2]);
    compare_made("odd gemma", &models::odd_gemma(), &[1, 2]);
}

#[test]
fn rows_that_every_type_divides_give_the_logits_of_the_processor() {
    compare_made("even qwen", &models::even_qwen(), &[1]);
    compare_made("even gemma", &models::even_gemma(), &[1]);
}

/// A batch has 1024 tokens at most.
#[test]
fn a_prompt_of_two_batches_gives_the_logits_of_the_processor() {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let model = models::file(&models::in_long_contexts(models::short_qwen()), 1);
    let case = Case::new(&built, "two batches", home.path(), &model, ids(1040));
    case.compare_prompts(&case.on_cpu(), &[&[&[1030], &[500, 530]]]);
}

/// Beyond Gemma's window of 16 positions.
#[test]
fn files_of_another_program_give_the_logits_of_the_processor() {
    let Some(built) = library::built() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle");
    for name in ["qwen35moe_q4_k_m", "gemma4_q4_k_m"] {
        let file = folder.join(name);
        let model = fs::read(file.with_extension("gguf")).unwrap();
        let ids = fs::read_to_string(file.with_extension("ids")).unwrap();
        let ids = ids.split_whitespace().take(40);
        let ids = ids.map(|id| id.parse().unwrap()).collect();
        let case = Case::new(&built, name, home.path(), &model, ids);
        let theirs = case.on_cpu();
        let divergence = case.divergence_from_reference(&case.compare(&theirs));
        compare_cuts(&case, &theirs);
        println!("{name}: {divergence:.1e} nats from the reference");
        assert!(divergence <= 1e-4, "{name}: {divergence:e} nats");
    }
}
