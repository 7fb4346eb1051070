//! Grammars as text, and the texts that they derive. Knows no language.

use std::collections::HashMap;

use super::draws::Draws;

/// Beyond this depth a rule takes its first alternative, which is the one that ends soonest.
const DEEPEST: u32 = 8;

/// Rules and their alternatives.
///
/// A line `name: word word` gives alternatives of one word each, and each indented line below it one more. Within an
/// alternative, `«rule»` stands for a derivation of a rule, `«^rule»` for one with a capital, `«2..99»` for a number,
/// `«x=rule»` for a derivation that later `«x»` repeat, and `\n` for the end of a line.
#[derive(Debug)]
pub(super) struct Grammar {
    rules: HashMap<&'static str, Vec<&'static str>>,
}

impl Grammar {
    /// Reads rules; lines that belong to none are passed over.
    pub fn new(text: &'static str) -> Self {
        let mut rules: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut current = "";
        for line in text.lines() {
            let header = line.split_once(':').filter(|_| !line.starts_with(' '));
            let alternatives = rules.entry(match header {
                Some((name, _)) => name,
                None => current,
            });
            let alternatives = alternatives.or_default();
            match header {
                Some((name, words)) => {
                    current = name;
                    alternatives.extend(words.split_whitespace());
                }
                None if line.trim().is_empty() => {}
                None => alternatives.push(line.trim()),
            }
        }
        Grammar { rules }
    }

    /// A text that `rule` derives.
    pub fn derive(&self, rule: &str, draws: &mut Draws) -> String {
        let mut derivation = Derivation {
            grammar: self,
            draws,
            bound: HashMap::new(),
            text: String::new(),
        };
        derivation.rule(rule, 0);
        derivation.text
    }
}

struct Derivation<'a> {
    grammar: &'a Grammar,
    draws: &'a mut Draws,
    /// What `«x=rule»` has bound.
    bound: HashMap<&'static str, String>,
    text: String,
}

impl Derivation<'_> {
    fn rule(&mut self, name: &str, depth: u32) {
        let Some(alternatives) = self.grammar.rules.get(name) else {
            return;
        };
        let chosen = match depth {
            DEEPEST.. => alternatives.first(),
            _ => self.draws.pick(alternatives),
        };
        if let Some(alternative) = chosen.copied() {
            self.alternative(alternative, depth);
        }
    }

    fn alternative(&mut self, alternative: &'static str, depth: u32) {
        let mut rest = alternative;
        while let Some((literal, behind)) = rest.split_once('«') {
            self.literal(literal);
            let (inside, behind) = behind.split_once('»').unwrap_or((behind, ""));
            self.placeholder(inside, depth + 1);
            rest = behind;
        }
        self.literal(rest);
    }

    fn literal(&mut self, literal: &str) {
        self.text.push_str(&literal.replace("\\n", "\n"));
    }

    fn placeholder(&mut self, inside: &'static str, depth: u32) {
        let start = self.text.len();
        if let Some(rule) = inside.strip_prefix('^') {
            self.placeholder(rule, depth);
            self.capitalise(start);
        } else if let Some((name, rule)) = inside.split_once('=') {
            self.rule(rule, depth);
            self.bound.insert(name, self.text[start..].to_owned());
        } else if let Some((least, most)) = range(inside) {
            let number = self.draws.between(least, most).to_string();
            self.text.push_str(&number);
        } else if let Some(text) = self.bound.get(inside) {
            self.text.push_str(text);
        } else {
            self.rule(inside, depth);
        }
    }

    fn capitalise(&mut self, start: usize) {
        let derived = self.text.split_off(start);
        let mut characters = derived.chars();
        self.text
            .extend(characters.next().into_iter().flat_map(char::to_uppercase));
        self.text.push_str(characters.as_str());
    }
}

/// The ends of `2..99`.
fn range(inside: &str) -> Option<(u64, u64)> {
    let (least, most) = inside.split_once("..")?;
    Some((least.parse().ok()?, most.parse().ok()?))
}

#[cfg(test)]
impl Grammar {
    /// Rules that an alternative names and that neither exist nor are bound anywhere; and rules without alternatives.
    pub fn loose_ends(&self) -> Vec<String> {
        let alternatives = || self.rules.values().flatten();
        let placeholders: Vec<&str> = alternatives()
            .flat_map(|text| text.split('«').skip(1))
            .map(|text| text.split_once('»').expect("an end of each placeholder").0)
            .collect();
        let bound = |name: &str| {
            let binds = |text: &&str| text.split_once('=').is_some_and(|(x, _)| x == name);
            placeholders.iter().any(binds)
        };
        let rule = |text: &str| {
            let text = text.trim_start_matches('^');
            text.rsplit('=').next().unwrap_or(text).to_owned()
        };
        let named = placeholders.iter().map(|text| rule(text));
        let mut loose: Vec<String> = named
            .filter(|name| range(name).is_none() && !bound(name))
            .filter(|name| self.rules.get(name.as_str()).is_none_or(Vec::is_empty))
            .collect();
        loose.sort();
        loose.dedup();
        loose
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
sentence:
    «^article» «x=animal» saw «2..4» «animal»s, said the «x».
article: the a
animal: fox heron
deep:
    end
    «deep» «deep»
broken:
    «nothing»
";

    #[test]
    fn a_derivation_follows_the_rules() {
        let grammar = Grammar::new(RULES);
        let mut draws = Draws::new(1, 0);
        let mut seen = Vec::new();
        for _ in 0..400 {
            let text = grammar.derive("sentence", &mut draws);
            let words: Vec<&str> = text.split(' ').collect();
            assert!(["The", "A"].contains(&words[0]), "{text}");
            assert_eq!(words[7], format!("{}.", words[1]), "{text}");
            seen.push(text);
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 2 * 2 * 3 * 2, "not every derivation came");
    }

    #[test]
    fn a_rule_that_names_itself_ends() {
        let grammar = Grammar::new(RULES);
        for stream in 0..100 {
            let text = grammar.derive("deep", &mut Draws::new(7, stream));
            assert!(text.split(' ').all(|word| word == "end"));
        }
    }

    #[test]
    fn a_rule_that_is_named_and_missing_is_found() {
        assert_eq!(Grammar::new(RULES).loose_ends(), ["nothing"]);
    }
}
