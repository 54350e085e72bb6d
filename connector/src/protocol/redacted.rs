//! `Debug` of the messages that carry an endpoint's configuration, and with it secrets: what they
//! are about, and no more.

use std::fmt::{Debug, Formatter, Result};

use super::flow::MaterializationSpec;
use super::materialize::request::{Open, Spec, Validate};

impl Debug for MaterializationSpec {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let mut message = formatter.debug_struct("MaterializationSpec");
        message
            .field("name", &self.name)
            .field("bindings", &self.bindings);
        message.finish_non_exhaustive()
    }
}

impl Debug for Open {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let mut message = formatter.debug_struct("Open");
        message.field("materialization", &self.materialization);
        message
            .field("version", &self.version)
            .field("range", &self.range);
        message.finish_non_exhaustive()
    }
}

impl Debug for Spec {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter.debug_struct("Spec").finish_non_exhaustive()
    }
}

impl Debug for Validate {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let mut message = formatter.debug_struct("Validate");
        message
            .field("name", &self.name)
            .field("bindings", &self.bindings);
        message.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::materialize::Request;

    #[test]
    fn no_message_shows_a_secret() {
        let config = r#"{"awsSecretAccessKey": "marked"}"#;
        for message in [
            format!(r#"{{"spec": {{"config": {config}}}}}"#),
            format!(
                r#"{{"validate": {{"config": {config}, "lastMaterialization": {{"config": {config}}}}}}}"#
            ),
            format!(r#"{{"apply": {{"materialization": {{"config": {config}}}}}}}"#),
            format!(
                r#"{{"open": {{"materialization": {{"config": {config}}}, "sealedConfig": {config}}}}}"#
            ),
        ] {
            let request: Request = serde_json::from_str(&message).unwrap();
            let shown = format!("{request:?}");
            // Bytes show themselves as text.
            assert!(!shown.contains("marked"), "{shown}");
        }
    }
}
