//! The check of the bucket that Validate and Apply make: once for each distinct place, and not
//! where it was made before.

use std::collections::BTreeSet;

use tokio::task::JoinSet;
use tracing::info;

use crate::config::{EndpointConfig, ResourceConfig};
use crate::error::{Error, Result};
use crate::keys::{PathPrefix, StagingPrefix, in_staging_folder};
use crate::protocol::flow::MaterializationSpec;
use crate::store::{self, ObjectStore, Trial};
use crate::transactor::Environment;

/// The places that are checked at once.
const CHECKS_AT_ONCE: usize = 16;

/// What a check depends on, in an endpoint configuration: another store, identity or kind of
/// request may be refused where this one was not. A secret is none of it, for it belongs to its
/// access key, and is encrypted in what was applied last.
const DEPENDS_ON: [&str; 16] = [
    "/bucket",
    "/region",
    "/awsAccessKeyId",
    "/credentials/auth_type",
    "/credentials/awsAccessKeyId",
    "/credentials/aws_role_arn",
    "/credentials/aws_region",
    "/advanced/endpoint",
    "/advanced/pathStyle",
    "/advanced/encryption",
    "/advanced/storageClass",
    "/advanced/tags",
    "/advanced/acl",
    "/advanced/expectedBucketOwner",
    "/advanced/checksums",
    "/advanced/commit",
];

/// The distinct places below which files are staged and written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeSet<(String, String)>);

impl Places {
    /// The places of bindings with these prefixes.
    pub fn new<'a>(
        prefixes: impl IntoIterator<Item = &'a PathPrefix>,
        staging_prefix: Option<&StagingPrefix>,
    ) -> Self {
        let place = |prefix: &PathPrefix| {
            let staging_place = prefix.staging_place(staging_prefix).to_owned();
            (staging_place, prefix.before_patterns().to_owned())
        };
        Self(prefixes.into_iter().map(place).collect())
    }

    /// Leaves out those that the last specification was checked at, unless it was another store or
    /// identity, or other requests, for which `config` is the endpoint configuration of now.
    #[must_use]
    pub fn not_shown_by(mut self, last: Option<&MaterializationSpec>, config: &[u8]) -> Self {
        if let Some(last) = last.filter(|last| depend_on_the_same(&last.config_json, config)) {
            let shown = places_of(last);
            self.0.retain(|place| !shown.0.contains(place));
        }
        self
    }

    /// Checks that the bucket does at each place what the task will ask of it, in the way in which
    /// it will commit.
    pub async fn check<S: ObjectStore>(
        self,
        store: &S,
        endpoint: &EndpointConfig,
        environment: &mut Environment,
    ) -> Result<()> {
        let Some((_, first)) = self.0.first() else {
            return Ok(());
        };
        let mut token = || environment.random.u64(..);
        let unused_key = in_staging_folder(first, &format!("{:016x}.check", token()));
        let choice = store::choose(store, endpoint.advanced.commit, &unused_key, false).await?;
        let mut checks = JoinSet::new();
        let mut outcome = Ok(());
        for (staging_place, place) in &self.0 {
            if checks.len() == CHECKS_AT_ONCE {
                outcome = outcome.and(joined(checks.join_next().await));
            }
            let trial = Trial::new(choice.way, staging_place, place, token());
            let store = store.clone();
            checks.spawn(async move { store::check(&store, &trial).await });
        }
        // Each is waited for, so that none leaves anything behind.
        while !checks.is_empty() {
            outcome = outcome.and(joined(checks.join_next().await));
        }
        if outcome.is_ok() {
            let (commit, reason) = (choice.way.as_str(), choice.reason);
            info!(
                commit,
                reason,
                places = self.0.len(),
                "the bucket does what the task will ask of it"
            );
        }
        outcome
    }
}

/// The places of a specification. What cannot be read of it was never checked by this connector.
fn places_of(last: &MaterializationSpec) -> Places {
    let config: serde_json::Value = serde_json::from_slice(&last.config_json).unwrap_or_default();
    let staging_prefix = config.pointer("/advanced/stagingPrefix");
    let staging_prefix = staging_prefix.and_then(|prefix| prefix.as_str()?.parse().ok());
    let prefixes: Vec<PathPrefix> = last
        .bindings
        .iter()
        .filter_map(|binding| ResourceConfig::from_json(&binding.resource_config_json).ok())
        .map(|resource| resource.path_prefix)
        .collect();
    Places::new(&prefixes, staging_prefix.as_ref())
}

fn depend_on_the_same(one: &[u8], other: &[u8]) -> bool {
    let parse = |json| serde_json::from_slice::<serde_json::Value>(json).ok();
    let (Some(one), Some(other)) = (parse(one), parse(other)) else {
        return false;
    };
    // A property that is null is one that is not set.
    let same = |pointer| {
        let value =
            |config: &serde_json::Value| config.pointer(pointer).cloned().unwrap_or_default();
        value(&one) == value(&other)
    };
    DEPENDS_ON.into_iter().all(same)
}

fn joined(check: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    match check {
        None => Ok(()),
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => Err(Error::internal(
            "a check of the bucket broke off: please report this",
        )
        .with_source(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::error::ErrorKind;
    use crate::protocol::flow::materialization_spec::Binding;
    use crate::store::Haste;
    use crate::store::fake::{Fake, Operation};

    fn config(advanced: &serde_json::Value) -> Vec<u8> {
        let config = json!({
            "awsAccessKeyId": "AKIA",
            "awsSecretAccessKey": "hunter2",
            "bucket": "lake",
            "region": "eu-west-1",
            "uploadIntervalInSeconds": 0,
            "advanced": advanced,
        });
        config.to_string().into_bytes()
    }

    fn specification(config: Vec<u8>, prefixes: &[&str]) -> MaterializationSpec {
        let binding = |prefix: &&str| Binding {
            resource_config_json: json!({"pathPrefix": prefix}).to_string().into(),
            ..Default::default()
        };
        MaterializationSpec {
            config_json: config.into(),
            bindings: prefixes.iter().map(binding).collect(),
            ..Default::default()
        }
    }

    fn places(prefixes: &[&str], staging_prefix: Option<&str>) -> Places {
        let prefixes: Vec<PathPrefix> = prefixes.iter().map(|text| text.parse().unwrap()).collect();
        let staging_prefix = staging_prefix.map(|text| text.parse().unwrap());
        Places::new(&prefixes, staging_prefix.as_ref())
    }

    async fn check(places: Places, store: &Fake, advanced: &serde_json::Value) -> Result<()> {
        let endpoint = EndpointConfig::from_json(&config(advanced)).unwrap().config;
        let mut environment = Environment {
            now: Arc::new(|| jiff::Timestamp::UNIX_EPOCH),
            random: fastrand::Rng::with_seed(1),
            haste: Haste::NONE,
        };
        places.check(store, &endpoint, &mut environment).await
    }

    #[test]
    fn prefixes_that_differ_in_their_patterns_are_one_place() {
        let one = places(&["a/%Y", "a/%m/%d", "a"], None);
        assert_eq!(one.0.len(), 1);
        assert_eq!(places(&["a", "b"], None).0.len(), 2);
        assert_eq!(places(&["a", "b"], Some("tmp")).0.len(), 2);
    }

    #[test]
    fn only_what_the_last_specification_has_not_shown_is_left() {
        let plain = config(&json!({}));
        let last = specification(plain.clone(), &["a", "b/%Y"]);
        let left = |last: Option<&MaterializationSpec>, config: &[u8]| {
            places(&["a", "b", "c"], None).not_shown_by(last, config)
        };
        assert_eq!(left(Some(&last), &plain), places(&["c"], None));
        assert_eq!(left(None, &plain).0.len(), 3);
        let same = config(&json!({"fileSizeLimit": 1 << 20, "commit": null}));
        assert_eq!(left(Some(&last), &same), places(&["c"], None));
        for other in [
            json!({"endpoint": "https://s3.example.com"}),
            json!({"commit": "copy"}),
            json!({"checksums": "none"}),
            json!({"encryption": {"type": "AES256"}}),
        ] {
            assert_eq!(left(Some(&last), &config(&other)).0.len(), 3, "{other}");
        }
        for property in ["bucket", "region", "awsAccessKeyId"] {
            let mut other: serde_json::Value = serde_json::from_slice(&plain).unwrap();
            other[property] = json!("other");
            assert_eq!(left(Some(&last), other.to_string().as_bytes()).0.len(), 3);
        }
    }

    #[test]
    fn another_staging_prefix_is_another_place_and_an_encrypted_secret_no_other_identity() {
        let staged = specification(config(&json!({"stagingPrefix": "tmp"})), &["a"]);
        let now = config(&json!({"stagingPrefix": "tmp2"}));
        assert_eq!(
            places(&["a"], Some("tmp2"))
                .not_shown_by(Some(&staged), &now)
                .0
                .len(),
            1
        );
        let same = places(&["a"], Some("tmp")).not_shown_by(Some(&staged), &now);
        assert_eq!(same, Places::default());

        let plain = config(&json!({}));
        let mut encrypted: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        let object = encrypted.as_object_mut().unwrap();
        object.remove("awsSecretAccessKey");
        object.insert("awsSecretAccessKey_sops".into(), json!("ENC[…]"));
        let last = specification(encrypted.to_string().into_bytes(), &["a"]);
        assert_eq!(
            places(&["a"], None).not_shown_by(Some(&last), &plain),
            Places::default()
        );
    }

    #[tokio::test]
    async fn each_place_is_checked_once_in_the_way_that_the_store_needs() {
        use Operation::{Abort, Copy, Create, Delete, Head, Part, Probe, Put};
        let auto = json!({"endpoint": "http://fake"});
        let store = Fake::new();
        check(places(&["a/%Y", "a/%m"], None), &store, &auto)
            .await
            .unwrap();
        assert_eq!(store.operations(), [Probe, Create, Part, Head, Abort]);

        let store = Fake::new();
        store.be_minio();
        check(places(&["a"], None), &store, &auto).await.unwrap();
        assert_eq!(
            store.operations(),
            [Probe, Put, Head, Copy, Head, Delete, Delete]
        );

        let store = Fake::new();
        check(Places::default(), &store, &auto).await.unwrap();
        assert_eq!(store.operations(), []);
    }

    #[tokio::test]
    async fn of_many_places_that_are_refused_one_is_told_and_none_keeps_anything() {
        let prefixes: Vec<String> = (0..40).map(|number| format!("p{number}")).collect();
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        let store = Fake::new();
        store.fail(Operation::Part, || Error::new(ErrorKind::Auth, "denied"));
        let checked = check(places(&prefixes, None), &store, &json!({})).await;
        assert_eq!(checked.unwrap_err().kind(), ErrorKind::Auth);
        assert_eq!(store.pending(), Vec::<String>::new());
        let aborts = store.operations();
        let aborts = aborts.iter().filter(|asked| **asked == Operation::Abort);
        assert_eq!(aborts.count(), 40);
    }
}
