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
    let mut block = lines.as_slice();
    for step in steps(path) {
        let Some(indent) = block.first().map(|line| line.indent) else {
            break;
        };
        let mut heads = (0..block.len()).filter(|i| block[*i].indent == indent);
        let found = match step {
            Step::Key(key) => heads.find(|i| block[*i].key() == Some(key)),
            Step::Item(n) => heads.filter(|i| block[*i].starts_item).nth(n),
        };
        let Some((head, below)) = found.and_then(|at| block[at..].split_first()) else {
            break;
        };
        place = head.place();
        // A list may stand at the indentation of its key.
        let is_below = |line: &&Line<'_>| {
            line.indent > indent
                || line.indent == indent && line.starts_item && matches!(step, Step::Key(_))
        };
        block = &below[..below.iter().take_while(is_below).count()];
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
        .map_or(first, Line::place)
}

/// A line with something on it. A line `- key: value` yields two: the dash, and the key at its own column.
struct Line<'a> {
    number: usize,
    indent: usize,
    starts_item: bool,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn place(&self) -> Place {
        Place {
            line: self.number,
            column: self.indent + 1,
        }
    }

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
