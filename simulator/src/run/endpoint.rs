//! The endpoint of a run: what of its configuration is not the catalog's, and where the catalog's
//! own bucket is.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::bucket::{Bucket, Location};
use super::command::catalogs_codec;
use super::error::{Error, Result};
use super::options::Options;
use crate::catalog::{Endpoint, Materialization};

/// Something that is not as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    /// What: `image`, `command`, `codec`, `pathPrefix`, or a property of the endpoint's
    /// configuration.
    pub what: String,
    /// What the catalog has; none of what is secret.
    pub catalog: Option<String>,
    /// What the run has; none of what is secret.
    pub run: Option<String>,
}

impl Replaced {
    fn new(what: &str, catalog: impl Into<String>, run: impl Into<String>) -> Self {
        Self {
            what: what.to_owned(),
            catalog: Some(catalog.into()),
            run: Some(run.into()),
        }
    }

    fn secret(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            catalog: None,
            run: None,
        }
    }
}

impl fmt::Display for Replaced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let catalog = self.catalog.as_deref().unwrap_or("the catalog's");
        let run = self.run.as_deref().unwrap_or("the server's");
        write!(formatter, "{}: {run} instead of {catalog}", self.what)
    }
}

/// Fills what the run has of its own into a task: the bucket with its credentials, and the upload
/// interval. Returns what of the catalog has given way, the codec included.
pub(super) fn configure(
    options: &Options,
    bucket: Option<&Bucket>,
    task: &mut Materialization,
) -> Result<Vec<Replaced>> {
    let mut replaced = Vec::new();
    if let Some(bucket) = bucket {
        place(bucket, task.endpoint.config_mut(), &mut replaced)?;
    }
    if let Some(interval) = options.interval {
        replaced.extend(put_interval(interval, task.endpoint.config_mut())?);
    }
    replaced.extend(codec(options, &task.endpoint));
    Ok(replaced)
}

/// Puts the upload interval into a configuration. Returns what it has replaced, where that was
/// another.
fn put_interval(interval: u32, config: &mut Value) -> Result<Option<Replaced>> {
    const NAME: &str = "uploadIntervalInSeconds";
    let members = members_of(config, "the endpoint's configuration")?;
    let before = members.insert(NAME.to_owned(), json!(interval));
    if before.as_ref() == Some(&json!(interval)) {
        return Ok(None);
    }
    let before = before.map_or_else(|| "the default".to_owned(), |before| before.to_string());
    Ok(Some(Replaced::new(NAME, before, interval.to_string())))
}

/// The codec, where it is not the catalog's.
fn codec(options: &Options, endpoint: &Endpoint) -> Option<Replaced> {
    let (own, catalogs) = (options.codec?, catalogs_codec(endpoint));
    (own != catalogs).then(|| Replaced::new("codec", catalogs.name(), own.name()))
}

/// What the program that is run stands for.
pub(super) fn program(
    options: &Options,
    endpoint: &Endpoint,
    command: &[String],
) -> Option<Replaced> {
    let run = command.join(" ");
    match endpoint {
        Endpoint::Connector { image, .. } => Some(Replaced::new("image", image, run)),
        Endpoint::Local { command, .. } => options
            .connector
            .as_ref()
            .map(|_| Replaced::new("command", command.join(" "), run)),
    }
}

/// Fills the place and its credentials into an endpoint's configuration.
pub(super) fn place(
    bucket: &Bucket,
    config: &mut Value,
    replaced: &mut Vec<Replaced>,
) -> Result<()> {
    let members = members_of(config, "the endpoint's configuration")?;
    let Location {
        endpoint,
        region,
        access_key_id,
        secret_access_key,
        session_token: _,
    } = &bucket.location;
    for (name, text) in [("bucket", &bucket.name), ("region", region)] {
        replaced.extend(put(members, name, text));
    }
    for (name, text) in [
        ("awsAccessKeyId", access_key_id),
        ("awsSecretAccessKey", secret_access_key),
    ] {
        let differs = put(members, name, text).is_some();
        replaced.extend(differs.then(|| Replaced::secret(name)));
    }
    let advanced = members.entry("advanced").or_insert(Value::Null);
    let advanced = members_of(advanced, "`advanced` in the endpoint's configuration")?;
    let own = advanced.get("endpoint").and_then(Value::as_str);
    let own = own.unwrap_or("AWS").to_owned();
    if own != *endpoint {
        replaced.push(Replaced::new("endpoint", own, endpoint));
    }
    advanced.insert("endpoint".to_owned(), json!(endpoint));
    Ok(())
}

/// The members of an object. YAML that was left empty is null, and counts as an object without
/// members.
fn members_of<'v>(value: &'v mut Value, what: &str) -> Result<&'v mut Map<String, Value>> {
    if value.is_null() {
        *value = json!({});
    }
    match value {
        Value::Object(members) => Ok(members),
        other => Err(Error::Usage(format!(
            "{what} must be an object, but is {}",
            kind(other)
        ))),
    }
}

/// What a value is, without what it holds: that may be secret.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Puts a text into a configuration. Returns what it has replaced, where that was something else.
fn put(members: &mut Map<String, Value>, name: &str, text: &str) -> Option<Replaced> {
    let before = members.insert(name.to_owned(), json!(text))?;
    let before = before.as_str()?;
    (before != text).then(|| Replaced::new(name, before, text))
}

/// Puts the files of every binding, and what is staged elsewhere, below a prefix.
pub(super) fn put_below(prefix: &str, task: &mut Materialization) -> Result<Replaced> {
    let prefix = checked(prefix)?;
    let below = |value: &mut Value| {
        if let Value::String(own) = value {
            *own = format!("{prefix}/{}", own.trim_start_matches('/'));
        }
    };
    let resources = task
        .bindings
        .iter_mut()
        .map(|binding| &mut binding.resource);
    resources
        .filter_map(|resource| resource.get_mut("pathPrefix"))
        .for_each(below);
    let config = task.endpoint.config_mut();
    config
        .pointer_mut("/advanced/stagingPrefix")
        .into_iter()
        .for_each(below);
    Ok(Replaced::new(
        "pathPrefix",
        "each binding's own",
        format!("{prefix}/…"),
    ))
}

/// A prefix without the slashes around it, which has no folder without a name.
fn checked(prefix: &str) -> Result<&str> {
    let trimmed = prefix.trim_matches('/');
    let is_folder = |name: &str| !matches!(name, "" | "." | "..");
    if trimmed.split('/').all(is_folder) {
        return Ok(trimmed);
    }
    Err(Error::Usage(format!(
        "--prefix is `{prefix}`; name a folder of the bucket, such as `run-7` or `tests/7`"
    )))
}

/// The bucket that an endpoint's configuration names.
pub(super) struct Place {
    pub(super) location: Location,
    pub(super) bucket: String,
    pub(super) path_style: bool,
}

impl Place {
    /// Reads it, and the credentials, from the configuration.
    pub(super) fn of(config: &Value) -> Result<Self> {
        let required = |name: &str| {
            let text = config.get(name).and_then(Value::as_str);
            let text = text.filter(|text| !text.is_empty()).map(str::to_owned);
            text.ok_or_else(|| {
                Error::Usage(format!(
                    "--s3 catalog needs `{name}` in the endpoint's configuration, and the catalog \
                     has none"
                ))
            })
        };
        let (bucket, region) = (required("bucket")?, required("region")?);
        let endpoint = config.pointer("/advanced/endpoint").and_then(Value::as_str);
        let path_style = config
            .pointer("/advanced/pathStyle")
            .and_then(Value::as_bool);
        Ok(Self {
            path_style: path_style.unwrap_or(endpoint.is_some()),
            location: Location {
                endpoint: endpoint.map_or_else(
                    || format!("https://s3.{region}.amazonaws.com"),
                    str::to_owned,
                ),
                access_key_id: required("awsAccessKeyId")?,
                secret_access_key: required("awsSecretAccessKey")?,
                session_token: None,
                region,
            },
            bucket,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Store;
    use crate::status::Status;

    fn texts(replaced: &[Replaced]) -> Vec<String> {
        replaced.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn what_of_the_catalog_gives_way_is_named_and_the_rest_stays() {
        let bucket = Bucket::open(&Store::Embedded, None, 0).await.unwrap();
        let endpoint = &bucket.location.endpoint;
        let mut config = json!({
            "awsAccessKeyId": "AKIA", "awsSecretAccessKey": "hidden", "bucket": "lake", "region": "us-east-1",
            "uploadIntervalInSeconds": 5, "advanced": {"fileSizeLimit": 9},
        });
        let mut replaced = Vec::new();
        place(&bucket, &mut config, &mut replaced).unwrap();
        assert_eq!(config["bucket"], "flow-sim");
        assert_eq!(
            config["advanced"],
            json!({"fileSizeLimit": 9, "endpoint": endpoint})
        );
        assert_eq!(config["uploadIntervalInSeconds"], 5);
        let texts = texts(&replaced);
        assert_eq!(
            texts,
            [
                "bucket: flow-sim instead of lake",
                "awsAccessKeyId: the server's instead of the catalog's",
                "awsSecretAccessKey: the server's instead of the catalog's",
                &format!("endpoint: {endpoint} instead of AWS"),
            ]
        );
        bucket.close().await.unwrap();
    }

    #[tokio::test]
    async fn an_advanced_part_that_was_left_empty_gets_the_endpoint() {
        let bucket = Bucket::open(&Store::Embedded, None, 0).await.unwrap();
        for mut config in [
            json!({"advanced": null}),
            json!({}),
            json!({"advanced": {}}),
        ] {
            let mut replaced = Vec::new();
            place(&bucket, &mut config, &mut replaced).unwrap();
            assert_eq!(config["advanced"]["endpoint"], bucket.location.endpoint);
            assert_eq!(replaced.len(), 1, "{replaced:?}");
        }
        for (mut config, what) in [
            (
                json!({"advanced": ["secret"]}),
                "`advanced` in the endpoint's configuration must be an object, but is a list",
            ),
            (
                json!("secret"),
                "the endpoint's configuration must be an object, but is a string",
            ),
        ] {
            let error = place(&bucket, &mut config, &mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), what);
            assert_eq!(error.status(), Status::Usage);
        }
        bucket.close().await.unwrap();
    }

    #[test]
    fn a_prefix_is_a_folder() {
        assert_eq!(checked("/a b/7/").ok(), Some("a b/7"));
        for wrong in ["", "/", "a//b", "../a", "s3://lake/a"] {
            let error = checked(wrong).unwrap_err().to_string();
            assert!(error.contains("such as `run-7`"), "{error}");
        }
    }

    #[test]
    fn the_catalogs_own_place_is_read_from_its_configuration() {
        let config = json!({
            "awsAccessKeyId": "k", "awsSecretAccessKey": "s", "bucket": "lake", "region": "eu-west-1",
        });
        let place = Place::of(&config).ok().unwrap();
        assert_eq!(
            place.location.endpoint,
            "https://s3.eu-west-1.amazonaws.com"
        );
        assert!(!place.path_style);
        let mut other = config.clone();
        other["advanced"] = json!({"endpoint": "http://127.0.0.1:9"});
        let place = Place::of(&other).ok().unwrap();
        assert_eq!(place.location.endpoint, "http://127.0.0.1:9");
        assert!(place.path_style);
        for name in ["bucket", "region", "awsAccessKeyId", "awsSecretAccessKey"] {
            let mut poor = config.clone();
            poor[name] = json!("");
            let error = Place::of(&poor).err().unwrap().to_string();
            assert!(error.contains(&format!("needs `{name}`")), "{error}");
        }
    }
}
