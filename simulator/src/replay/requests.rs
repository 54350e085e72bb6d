//! A recorded request as this run sends it: with this run's place, credentials and state.

use bytes::Bytes;
use materialize_s3_parquet::protocol::flow::RangeSpec;
use materialize_s3_parquet::protocol::materialize::Request;
use serde_json::Value;

use super::names::Names;
use super::options::Options;
use super::states::{Rebuilt, States};
use crate::run::Bucket;
use crate::runtime::{merge, patches_json};
use crate::transcript::REDACTED;

/// A request for the connector, and as the recording should have it from now on.
pub(super) struct Rewritten {
    pub(super) sent: Request,
    pub(super) recorded: Request,
}

/// Rewrites recorded requests.
pub(super) struct Rewriter<'a> {
    pub(super) options: &'a Options,
    pub(super) bucket: Option<&'a Bucket>,
    pub(super) names: &'a mut Names,
    pub(super) states: &'a mut States,
}

impl Rewriter<'_> {
    /// Rewrites a request. Errors say what is wrong with it.
    pub(super) fn rewrite(&mut self, request: &Request) -> Result<Rewritten, String> {
        let mut sent = request.clone();
        let mut recorded = request.clone();
        for config in configs(&mut sent) {
            *config = self.configure(config)?;
        }
        let range = range(request);
        for (sent, recorded) in states(&mut sent).into_iter().zip(states(&mut recorded)) {
            let rebuilt = self.state(recorded, range.as_ref())?;
            (*sent, *recorded) = (rebuilt.ours, rebuilt.translated);
        }
        for (sent, recorded) in patches(&mut sent).into_iter().zip(patches(&mut recorded)) {
            let rebuilt = self.patches(recorded)?;
            (*sent, *recorded) = (rebuilt.ours, rebuilt.translated);
        }
        Ok(Rewritten { sent, recorded })
    }

    /// This run's place and credentials in a configuration. From here on, what was replaced stands
    /// for what took its place.
    fn configure(&mut self, config: &Bytes) -> Result<Bytes, String> {
        let recorded = parse(config, "a configuration")?;
        let mut ours = recorded.clone();
        if let Some(bucket) = self.bucket {
            let configured = bucket.configure(&mut ours);
            configured.map_err(|error| error.to_string())?;
        }
        if !self.options.config.is_null() {
            merge(&mut ours, &self.options.config);
        }
        self.bind(&recorded, &ours);
        Ok(ours.to_string().into())
    }

    fn bind(&mut self, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => {
                for (name, recorded) in recorded {
                    if let Some(ours) = ours.get(name) {
                        self.bind(recorded, ours);
                    }
                }
            }
            (Value::String(recorded), Value::String(ours))
                if recorded != ours && recorded != REDACTED =>
            {
                // Where a name stands for two things, the first is the better guess.
                let _ = self.names.bind(recorded, ours);
            }
            _ => {}
        }
    }

    fn state(
        &mut self,
        recorded: &Bytes,
        range: Option<&RangeSpec>,
    ) -> Result<Rebuilt<Bytes>, String> {
        if recorded.is_empty() {
            return Ok(unchanged(recorded));
        }
        let document = parse(recorded, "a state")?;
        Ok(match self.states.document(&document, range) {
            Some(rebuilt) => Rebuilt {
                ours: rebuilt.ours.to_string().into(),
                translated: if rebuilt.translated == document {
                    recorded.clone()
                } else {
                    rebuilt.translated.to_string().into()
                },
            },
            None => self.renamed(recorded),
        })
    }

    fn patches(&mut self, recorded: &Bytes) -> Result<Rebuilt<Bytes>, String> {
        let Value::Array(patches) = parse(recorded, "state patches")? else {
            return Err("its statePatches are no array".to_owned());
        };
        Ok(match self.states.patches(&patches) {
            Some(rebuilt) => Rebuilt {
                ours: patches_json(&rebuilt.ours),
                translated: if rebuilt.translated == patches {
                    recorded.clone()
                } else {
                    patches_json(&rebuilt.translated)
                },
            },
            None => self.renamed(recorded),
        })
    }

    /// A state from before the recording: all that can be done is to name its things as this run
    /// does.
    fn renamed(&self, recorded: &Bytes) -> Rebuilt<Bytes> {
        Rebuilt {
            ours: self
                .names
                .to_ours(&String::from_utf8_lossy(recorded))
                .into(),
            translated: recorded.clone(),
        }
    }
}

/// The keys that a request's shard takes, where it says so.
pub(super) fn range(request: &Request) -> Option<RangeSpec> {
    request.open.as_ref().and_then(|open| open.range)
}

fn unchanged(recorded: &Bytes) -> Rebuilt<Bytes> {
    Rebuilt {
        ours: recorded.clone(),
        translated: recorded.clone(),
    }
}

fn parse(json: &Bytes, what: &str) -> Result<Value, String> {
    serde_json::from_slice(json).map_err(|error| format!("{what} in it is not JSON: {error}"))
}

/// Every configuration of an endpoint in a request; the empty one of the leading Spec is none.
fn configs(request: &mut Request) -> Vec<&mut Bytes> {
    let mut configs = Vec::new();
    configs.extend(request.spec.as_mut().map(|spec| &mut spec.config_json));
    if let Some(validate) = &mut request.validate {
        configs.push(&mut validate.config_json);
        configs.extend(
            validate
                .last_materialization
                .as_mut()
                .map(|last| &mut last.config_json),
        );
    }
    if let Some(apply) = &mut request.apply {
        configs.extend(
            apply
                .materialization
                .as_mut()
                .map(|spec| &mut spec.config_json),
        );
        configs.extend(
            apply
                .last_materialization
                .as_mut()
                .map(|last| &mut last.config_json),
        );
    }
    if let Some(open) = &mut request.open {
        configs.extend(
            open.materialization
                .as_mut()
                .map(|spec| &mut spec.config_json),
        );
    }
    configs.retain(|config| !matches!(&config[..], b"" | b"{}"));
    configs
}

fn states(request: &mut Request) -> Vec<&mut Bytes> {
    let mut states = Vec::new();
    states.extend(request.apply.as_mut().map(|apply| &mut apply.state_json));
    states.extend(request.open.as_mut().map(|open| &mut open.state_json));
    states
}

fn patches(request: &mut Request) -> Vec<&mut Bytes> {
    let mut patches = Vec::new();
    patches.extend(
        request
            .flush
            .as_mut()
            .map(|flush| &mut flush.state_patches_json),
    );
    patches.extend(
        request
            .start_commit
            .as_mut()
            .map(|start| &mut start.state_patches_json),
    );
    patches.extend(
        request
            .acknowledge
            .as_mut()
            .map(|acknowledge| &mut acknowledge.state_patches_json),
    );
    patches.retain(|patches| !patches.is_empty());
    patches
}
