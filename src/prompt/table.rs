//! Tables whose last column follows from the others.

use super::draws::Draws;

const THINGS: [&str; 20] = [
    "copper",
    "barley",
    "granite",
    "walnut",
    "cotton",
    "salt",
    "amber",
    "linen",
    "pepper",
    "iron",
    "honey",
    "paper",
    "silk",
    "coal",
    "rice",
    "marble",
    "olive oil",
    "tea",
    "cork",
    "wool",
];
const PLACES: [&str; 14] = [
    "north dock",
    "mill",
    "depot",
    "upper gate",
    "canal",
    "quay",
    "old town",
    "hill farm",
    "station",
    "warehouse",
    "market",
    "ferry",
    "south bank",
    "yard",
];
const MEASURES: [(&str, &str, &str); 6] = [
    ("crates", "weight", "kg"),
    ("rooms", "rent", "crowns"),
    ("hours", "speed", "km"),
    ("boxes", "price", "pence"),
    ("fields", "yield", "bushels"),
    ("pages", "words", "words"),
];

/// How the cells of a row are told apart.
#[derive(Clone, Copy)]
enum Style {
    Markdown,
    Commas,
    Tabs,
}

/// A header and some rows: a thing, a place, two numbers and their product.
pub(super) fn rows(draws: &mut Draws) -> String {
    let style = *draws
        .pick(&[Style::Markdown, Style::Commas, Style::Tabs])
        .unwrap_or(&Style::Commas);
    let (count, each, unit) = *draws.pick(&MEASURES).unwrap_or(&MEASURES[0]);
    let header = ["article", "place", count, each, unit].map(str::to_owned);
    let mut lines = vec![line(style, &header)];
    if let Style::Markdown = style {
        lines.push("|---|---|---:|---:|---:|".to_owned());
    }
    for _ in 0..draws.between(4, 9) {
        let thing = pick(draws, &THINGS);
        let place = pick(draws, &PLACES);
        let (count, each) = (draws.between(2, 999), draws.between(11, 9999));
        let numbers = [count, each, count * each].map(|number| number.to_string());
        let [count, each, product] = numbers;
        let cells = [thing, place, count, each, product];
        lines.push(line(style, &cells));
    }
    lines.join("\n")
}

fn pick(draws: &mut Draws, words: &[&str]) -> String {
    draws.pick(words).copied().unwrap_or_default().to_owned()
}

fn line(style: Style, cells: &[String]) -> String {
    match style {
        Style::Markdown => format!("| {} |", cells.join(" | ")),
        Style::Commas => cells.join(","),
        Style::Tabs => cells.join("\t"),
    }
}
