//! The JSON Schema of a result file, generated from the record types.

use schemars::generate::SchemaSettings;

use super::{Envelope, Payload};

/// The JSON Schema (draft 2020-12) of the whole file, as committed in `schema/result-v1.json`.
pub fn schema() -> String {
    // The form that is written: what may be null is still required.
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let mut schema = generator.into_root_schema_for::<Envelope<Payload>>();
    schema.insert("title".to_owned(), super::FORMAT.into());
    format!("{:#}\n", schema.to_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_SCHEMA=1 cargo test schema` writes the file anew.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/result-v1.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, schema()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == schema(),
            "stale: run UPDATE_SCHEMA=1 cargo test schema"
        );
    }

    #[test]
    fn the_schema_is_as_strict_as_the_reader() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            if let Some(properties) = definition.get("properties").and_then(|p| p.as_object()) {
                assert_eq!(definition["additionalProperties"], false, "{name}");
                let required = definition["required"].as_array().unwrap();
                let optional = properties
                    .keys()
                    .filter(|key| !required.contains(&key.as_str().into()));
                // A reason, and what older results have not.
                let may_be_absent =
                    |key: &String| ["reason", "nix", "resources", "stages"].contains(&key.as_str());
                assert!(
                    optional.clone().all(may_be_absent),
                    "{name}: {:?}",
                    optional.collect::<Vec<_>>()
                );
            }
        }
    }
}
