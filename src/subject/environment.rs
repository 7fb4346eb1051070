//! The environment that engines are started in: nothing of the harness's own but which GPU to use.

use std::collections::BTreeMap;
use std::env;

/// Set for every engine. An engine gets no home directory and no variable that changes how programs are loaded.
const FIXED: [(&str, &str); 2] = [("LC_ALL", "C"), ("PATH", "/usr/bin:/bin")];

/// Handed on where the harness has them: they name devices and change nothing about the work.
const HANDED_ON: [&str; 2] = ["CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES"];

/// The whole environment of an engine, to be recorded.
pub(super) fn clean() -> BTreeMap<String, String> {
    of(|name| env::var(name).ok())
}

fn of(variable: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let handed_on = |name: &str| Some((name.to_owned(), variable(name)?));
    FIXED
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .chain(HANDED_ON.into_iter().filter_map(handed_on))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_a_device_is_handed_on() {
        let hostile = |name: &str| match name {
            "CUDA_VISIBLE_DEVICES" => Some("1".to_owned()),
            "CUDA_DEVICE_ORDER" => None,
            _ => Some("/tmp/evil.so".to_owned()),
        };
        let environment: Vec<_> = of(hostile).into_iter().collect();
        let expected = [
            ("CUDA_VISIBLE_DEVICES", "1"),
            ("LC_ALL", "C"),
            ("PATH", "/usr/bin:/bin"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(environment, expected);
    }
}
