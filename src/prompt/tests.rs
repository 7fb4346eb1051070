//! What every prompt must be: exact in length, the same everywhere, and unlike the others.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use crate::tokenizer::tests::{GEMMA, QWEN};

use super::draws::Draws;
use super::grammar::Grammar;
use super::text::{self, Genre};
use super::{Corpus, Prompt, PromptError, Source, code, english, languages};

/// The first blocks of a text.
fn blocks(seed: u64, count: u64) -> String {
    (0..count).map(|index| text::block(seed, index)).collect()
}

/// The largest share that one item has.
fn largest_share<T: std::hash::Hash + Eq>(items: impl IntoIterator<Item = T>) -> f64 {
    let mut counts: HashMap<T, u32> = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    let total: u32 = counts.values().sum();
    f64::from(counts.values().copied().max().unwrap_or(0)) / f64::from(total.max(1))
}

#[test]
fn every_grammar_is_complete() {
    for rules in [english::RULES, code::RULES].iter().chain(&languages::ALL) {
        assert_eq!(Grammar::new(rules).loose_ends(), [""; 0]);
    }
}

#[test]
fn each_genre_reads_as_it_did() {
    let languages = (0..languages::ALL.len()).map(Genre::Language);
    let genres = [Genre::English, Genre::Code, Genre::Arithmetic, Genre::Table];
    let shown: Vec<String> = genres
        .into_iter()
        .chain(languages)
        .map(|genre| {
            let two = [1, 2].map(|stream| text::write(genre, &mut Draws::new(2026, stream)));
            format!("# {genre:?}\n{}", two.concat())
        })
        .collect();
    insta::assert_snapshot!(shown.concat());
}

#[test]
fn every_genre_occurs_and_blocks_join_into_one_text() {
    let text = blocks(1, 200);
    for sign in [
        "fn ",
        "def ",
        " remainder ",
        "| ",
        "ß",
        "ñ",
        "ж",
        "的",
        "は",
        "ال",
        "“",
    ] {
        assert!(text.contains(sign), "no {sign:?} in {} bytes", text.len());
    }
    for index in 0..200 {
        let block = text::block(1, index);
        assert!(!block.starts_with(char::is_whitespace), "{block:?}");
        assert!(block.ends_with("\n\n"), "{block:?}");
        assert!(!block.contains(['«', '»']), "{block:?}");
    }
}

#[test]
fn no_word_comes_over_and_over() {
    for seed in 0..20 {
        let text = blocks(seed, 60);
        let share = largest_share(text.split_whitespace());
        assert!(share < 0.1, "seed {seed}: {share}");
        let words: HashSet<&str> = text.split_whitespace().collect();
        let total = text.split_whitespace().count();
        assert!(
            words.len() * 4 > total,
            "seed {seed}: {} of {total} words",
            words.len()
        );
        let lines = text.lines().filter(|line| line.len() > 20);
        assert!(largest_share(lines) < 0.03, "seed {seed}");
    }
}

#[test]
fn twenty_thousand_first_blocks_all_differ() {
    // Of 10^7 equally likely ones, 20,000 would hold twenty equal pairs.
    let windows: HashSet<String> = (0..20_000).map(|seed| text::block(seed, 0)).collect();
    assert_eq!(windows.len(), 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_shorter_prompt_is_the_beginning_of_a_longer_one(seed: u64, long in 1usize..600) {
        for tokenizer in [&QWEN.1, &GEMMA.1] {
            let prompt = Prompt::from_text(tokenizer, seed, long);
            prop_assert_eq!(prompt.ids.len(), long);
            let short = Prompt::from_text(tokenizer, seed, long / 2);
            prop_assert_eq!(&short.ids, &prompt.ids[..long / 2]);
            prop_assert_eq!(Prompt::from_text(tokenizer, seed, long), prompt);
        }
    }

    #[test]
    fn a_prompt_has_the_ids_of_its_text(seed: u64) {
        for tokenizer in [&QWEN.1, &GEMMA.1] {
            let whole = tokenizer.encode_prompt(&blocks(seed, 4));
            let prompt = Prompt::from_text(tokenizer, seed, whole.len());
            prop_assert_eq!(prompt.ids, whole);
        }
    }

    #[test]
    fn prompts_of_different_seeds_differ(one: u64, other: u64) {
        prop_assume!(one != other);
        let (tokenizer, ordinary) = (&QWEN.1, [1, 2, 3, 5, 8, 13]);
        prop_assert_ne!(
            Prompt::from_text(tokenizer, one, 64).ids,
            Prompt::from_text(tokenizer, other, 64).ids
        );
        prop_assert_ne!(
            Prompt::from_plain_ids(&ordinary, one, 64).unwrap().ids,
            Prompt::from_plain_ids(&ordinary, other, 64).unwrap().ids
        );
    }

    #[test]
    fn a_window_of_a_corpus_has_the_ids_of_its_text(seed: u64, tokens in 1usize..300) {
        let text = blocks(3, 6);
        let corpus = Corpus::new(text.clone().into_bytes()).unwrap();
        let tokenizer = &GEMMA.1;
        let prompt = Prompt::from_corpus(tokenizer, &corpus, seed, tokens).unwrap();
        let Source::Corpus { offset_bytes, .. } = prompt.source else {
            panic!("{:?}", prompt.source);
        };
        let around = format!("{}{}", &text[offset_bytes..], &text[..offset_bytes]);
        prop_assert_eq!(&prompt.ids, &tokenizer.encode_prompt(&around)[..tokens]);
    }
}

#[test]
fn plain_ids_are_ordinary_and_evenly_spread() {
    let ordinary: Vec<u32> = (100..200).collect();
    let prompt = Prompt::from_plain_ids(&ordinary, 9, 10_000).unwrap();
    assert_eq!(prompt.ids.len(), 10_000);
    assert!(prompt.ids.iter().all(|id| ordinary.contains(id)));
    // 100 expected of each; six standard deviations are 60
    assert!(largest_share(&prompt.ids) < 0.016);
    let short = Prompt::from_plain_ids(&ordinary, 9, 5).unwrap();
    assert_eq!(short.ids, prompt.ids[..5]);
    assert_eq!(short.source, Source::PlainIds { seed: 9 });
}

#[test]
fn a_vocabulary_without_ordinary_tokens_gives_no_prompt() {
    let error = Prompt::from_plain_ids(&[], 1, 4).unwrap_err();
    assert!(matches!(error, PromptError::NoOrdinaryTokens));
}

#[test]
fn a_corpus_that_is_too_short_is_refused() {
    let corpus = Corpus::new(b"one two".to_vec()).unwrap();
    let error = Prompt::from_corpus(&QWEN.1, &corpus, 1, 10_000).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("expected a corpus of at least 10000 tokens, found ")
    );
    assert!(error.hint().is_some());
}

#[test]
fn the_ids_of_a_seed_are_the_same_on_every_machine() {
    let digest = |prompt: Prompt| prompt.ids_sha256;
    insta::assert_snapshot!(
        [
            digest(Prompt::from_text(&QWEN.1, 1, 4096)),
            digest(Prompt::from_text(&GEMMA.1, 1, 4096)),
            digest(Prompt::from_plain_ids(&[7, 8, 9], 1, 4096).unwrap()),
        ]
        .join("\n")
    );
}
