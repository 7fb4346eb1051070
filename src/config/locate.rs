//! Finds where a key stands in block-style YAML, by indentation. The YAML library keeps no positions of values that it
//! has accepted; a key that this scan cannot follow (flow style) is located at its nearest ancestor.

/// A place in a text, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

/// One step of a path such as `weights[1].sha256`.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

/// The place of a key path, or of the nearest ancestor that the scan finds; line 1 for the document itself.
pub(super) fn locate(text: &str, path: &str) -> Place {
    let lines = content(text);
    let mut place = Place { line: 1, column: 1 };
    // The block searched: lines `from..to` whose entries stand at `indent`.
    let (mut from, mut to, mut indent) = (0, lines.len(), 0);
    for step in steps(path) {
        let heads: Vec<usize> = (from..to).filter(|i| lines[*i].indent == indent).collect();
        let found = match step {
            Step::Key(key) => heads.into_iter().find(|i| lines[*i].key() == Some(key)),
            Step::Item(n) => heads.into_iter().filter(|i| lines[*i].starts_item).nth(n),
        };
        let Some(at) = found else { break };
        place = Place {
            line: lines[at].number,
            column: lines[at].indent + 1,
        };
        let end = |same_level_ends: bool| {
            (at + 1..to)
                .find(|i| {
                    lines[*i].indent < indent || same_level_ends && lines[*i].indent == indent
                })
                .unwrap_or(to)
        };
        match step {
            Step::Key(_) => {
                // A list may stand at the indentation of its key.
                let list_at_key = lines
                    .get(at + 1)
                    .is_some_and(|next| next.indent == indent && next.starts_item);
                let stop = match list_at_key {
                    true => (at + 1..to)
                        .find(|i| {
                            lines[*i].indent < indent
                                || lines[*i].indent == indent && !lines[*i].starts_item
                        })
                        .unwrap_or(to),
                    false => end(true),
                };
                (from, to) = (at + 1, stop);
                match lines.get(from).filter(|_| from < to) {
                    Some(first) => indent = first.indent,
                    None => to = from,
                }
            }
            Step::Item(_) => {
                // `- key: value` puts the item's first key on its own pseudo-line behind the dash.
                let stop = end(true);
                (from, to) = (at + 1, stop);
                match lines.get(from).filter(|_| from < to) {
                    Some(first) => indent = first.indent,
                    None => to = from,
                }
            }
        }
    }
    place
}

/// The second place where `key` is written among the children of `path`, for duplicates.
pub(super) fn locate_second(text: &str, path: &str, key: &str) -> Place {
    let first = match path {
        "" => locate(text, key),
        path => locate(text, &format!("{path}.{key}")),
    };
    content(text)
        .iter()
        .find(|line| {
            line.number > first.line && line.indent + 1 == first.column && line.key() == Some(key)
        })
        .map_or(first, |line| Place {
            line: line.number,
            column: line.indent + 1,
        })
}

/// A line with something on it. A line `- key: value` yields two: the dash, and the key at its own column.
struct Line<'a> {
    number: usize,
    indent: usize,
    starts_item: bool,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn key(&self) -> Option<&'a str> {
        let (key, rest) = self.text.split_once(':')?;
        let plain = key.trim_end().trim_matches(['"', '\'']);
        (!self.starts_item && (rest.is_empty() || rest.starts_with([' ', '\t']))).then_some(plain)
    }
}

fn content(text: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let mut rest = line.trim_start_matches(' ');
        while let Some(item) = rest.strip_prefix("- ") {
            lines.push(Line {
                number: i + 1,
                indent: line.len() - rest.len(),
                starts_item: true,
                text: rest,
            });
            rest = item.trim_start_matches(' ');
        }
        if !rest.is_empty() && !rest.starts_with('#') {
            lines.push(Line {
                number: i + 1,
                indent: line.len() - rest.len(),
                starts_item: rest == "-",
                text: rest,
            });
        }
    }
    lines
}

fn steps(path: &str) -> Vec<Step<'_>> {
    path.split('.')
        .filter(|part| !part.is_empty())
        .flat_map(|part| {
            let (key, items) = part.split_at(part.find('[').unwrap_or(part.len()));
            let items = items
                .split(['[', ']'])
                .filter_map(|n| n.parse().ok().map(Step::Item));
            Some(Step::Key(key))
                .filter(|_| !key.is_empty())
                .into_iter()
                .chain(items)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment: not a key
name: x
weights:
  - default: true
    sha256: aa
  - repository: b   # comment

    sha256: bb
stated:
  kv_bytes: 4
flow: [1, 2]
dense:
- bytes: 3
- bytes: 4
last: 1
";

    fn at(path: &str) -> (usize, usize) {
        let place = locate(TEXT, path);
        (place.line, place.column)
    }

    #[test]
    fn keys_are_found_by_their_path() {
        assert_eq!(at("name"), (2, 1));
        assert_eq!(at("weights[0].sha256"), (5, 5));
        assert_eq!(at("weights[1].repository"), (6, 5));
        assert_eq!(at("weights[1].sha256"), (8, 5));
        assert_eq!(at("stated.kv_bytes"), (10, 3));
        assert_eq!(at("dense[1].bytes"), (14, 3));
        assert_eq!(at("last"), (15, 1));
    }

    #[test]
    fn what_cannot_be_followed_is_located_at_its_ancestor() {
        assert_eq!(at("flow[1]"), (11, 1));
        assert_eq!(at("weights[1].missing"), (6, 3));
        assert_eq!(at("missing"), (1, 1));
        assert_eq!(at(""), (1, 1));
    }

    #[test]
    fn the_second_of_two_equal_keys_is_found() {
        let text = "a: 1\nb:\n  - c: 1\n    c: 2\na: 2\n";
        assert_eq!(locate_second(text, "", "a").line, 5);
        assert_eq!(locate_second(text, "b[0]", "c").line, 4);
    }
}
