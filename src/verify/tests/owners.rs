//! Who owns which field: an edit that is sealed again fails the check that owns the field.

use std::collections::BTreeSet;

use serde_json::Value;

use super::sealing::{failed, file, report, resealed, scalars};
use crate::result::sample;
use crate::verify::CHECKS;

/// The lines of a list but for its comments.
fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().filter(|line| !line.starts_with('#'))
}

/// Check, JSON pointer and new value of every edit that has an owner.
fn owned() -> Vec<(&'static str, &'static str, Value)> {
    let edit = |line: &'static str| {
        let (check, edit) = line.split_once(' ').unwrap();
        let (pointer, value) = edit.split_once(' ').unwrap();
        (check, pointer, serde_json::from_str(value).unwrap())
    };
    lines(include_str!("owned.txt")).map(edit).collect()
}

/// Patterns of fields without an owner.
fn unowned() -> BTreeSet<String> {
    let pattern = |line: &str| line.split_once(' ').unwrap().0.to_owned();
    lines(include_str!("unowned.txt")).map(pattern).collect()
}

/// A pointer with every index and architecture replaced by `*`.
fn pattern(pointer: &str) -> String {
    let general = |step: &str| match step.parse::<usize>() {
        Ok(_) => "*".to_owned(),
        Err(_) if step.starts_with("sm_") && step != "sm_count" && step != "sm_clock_max_khz" => {
            "*".to_owned()
        }
        Err(_) => step.to_owned(),
    };
    let pointer = pointer
        .strip_prefix("/payload")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(pointer);
    pointer
        .split('/')
        .map(general)
        .collect::<Vec<_>>()
        .join("/")
}

#[test]
fn every_owned_edit_is_named_after_resealing() {
    let honest = file(&sample::h100());
    let mut unnamed = Vec::new();
    for (check, pointer, value) in owned() {
        let mut edited = honest.clone();
        let place = match pointer {
            "/format" => edited.pointer_mut("/format"),
            _ => edited.pointer_mut(&format!("/payload{pointer}")),
        };
        match place {
            Some(place) => *place = value,
            // A reason, or the value of a reading that has none.
            None => {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                edited.pointer_mut(&format!("/payload{parent}")).unwrap()[key] = value;
            }
        }
        let found = failed(&report(&resealed(edited)));
        if !found.contains(&check) {
            unnamed.push(format!("{pointer}: expected {check}, failed {found:?}"));
        }
    }
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

#[test]
fn every_field_has_an_owner_or_a_reason_to_have_none() {
    let there: BTreeSet<String> = [sample::h100(), sample::cpu()]
        .iter()
        .flat_map(|payload| scalars(&file(payload)))
        .map(|pointer| pattern(&pointer))
        .filter(|pattern| pattern != "/payload_sha256")
        .collect();
    let owned: BTreeSet<String> = owned()
        .iter()
        .map(|(_, pointer, _)| pattern(pointer))
        .collect();
    let unowned = unowned();
    let named: BTreeSet<String> = owned.union(&unowned).cloned().collect();
    assert_eq!(
        owned.intersection(&unowned).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    assert_eq!(
        there.difference(&named).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "fields without an entry"
    );
    let stale: Vec<&String> = unowned.difference(&there).collect();
    assert_eq!(stale, Vec::<&String>::new(), "entries without a field");
}

#[test]
fn every_check_of_the_file_alone_owns_a_field() {
    let owners: BTreeSet<&str> = owned().iter().map(|(check, ..)| *check).collect();
    let without: Vec<&str> = CHECKS
        .iter()
        .map(|check| check.name)
        .filter(|name| !owners.contains(name))
        .collect();
    insta::assert_debug_snapshot!(without);
}
