//! The bucket of a run: an S3 server, started if need be, and what a connector must be told to reach it.

use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, Object};
use serde_json::{Value, json};

use super::error::{Error, Result};
use super::options::Store;
use crate::ceph;
use crate::container::{self, Container, Image};
use crate::minio;
use crate::readback::literal_part;
use crate::refusal::explain;
use crate::s3::{self, Manners};
use crate::seaweedfs;
use crate::staging::is_staged;

/// The bucket, unless another is named.
const BUCKET: &str = "flow-sim";

/// The region in which S3 began, and the only one that takes no location for a new bucket.
const FIRST_REGION: &str = "us-east-1";

/// An S3 server and the credentials for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    /// Its URL, e.g. `http://127.0.0.1:9000`.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: String,
}

impl Location {
    /// The place of a server in a container, for programs on this machine.
    pub fn of(container: &Container) -> Self {
        Self {
            endpoint: container.endpoint(),
            region: FIRST_REGION.to_owned(),
            access_key_id: container::ACCESS_KEY.to_owned(),
            secret_access_key: container::SECRET_KEY.to_owned(),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Location")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// A server of the run's own, which ends when this is dropped.
enum Guard {
    None,
    Embedded(s3::Server),
    Container(Box<Container>),
}

/// The bucket of a run. The server behind it lives as long as this does.
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub location: Location,
    client: Client,
    guard: Guard,
}

impl Bucket {
    /// Starts the server if it is not there already, and makes the bucket if that is not.
    pub async fn open(store: &Store, name: Option<&str>, seed: u64) -> Result<Self> {
        Self::open_with(store, Manners::default(), name, seed).await
    }

    /// As [`Bucket::open`], but a server inside this process has the given manners. Others have their own.
    pub async fn open_with(
        store: &Store,
        manners: Manners,
        name: Option<&str>,
        seed: u64,
    ) -> Result<Self> {
        let (location, guard) = match store {
            Store::Embedded => embedded(manners, seed).await?,
            Store::Minio => contained(minio::IMAGE).await?,
            Store::Ceph => contained(ceph::IMAGE).await?,
            Store::SeaweedFs => contained(seaweedfs::IMAGE).await?,
            Store::At(location) => (location.clone(), Guard::None),
            Store::None => {
                return Err(Error::Usage(
                    "there is no bucket where the store is `none`".to_owned(),
                ));
            }
        };
        let name = name.unwrap_or(BUCKET).to_owned();
        let bucket = Self {
            name,
            client: client(&location),
            location,
            guard,
        };
        bucket.make().await?;
        Ok(bucket)
    }

    /// A client of the server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the files end with the run.
    pub fn is_ephemeral(&self) -> bool {
        !matches!(self.guard, Guard::None)
    }

    /// Fills the place and its credentials into an endpoint's configuration.
    pub fn configure(&self, config: &mut Value) {
        let Value::Object(members) = config else {
            return;
        };
        let Location {
            endpoint,
            region,
            access_key_id,
            secret_access_key,
        } = &self.location;
        members.insert("awsAccessKeyId".to_owned(), json!(access_key_id));
        members.insert("awsSecretAccessKey".to_owned(), json!(secret_access_key));
        members.insert("bucket".to_owned(), json!(self.name));
        members.insert("region".to_owned(), json!(region));
        let advanced = members.entry("advanced").or_insert_with(|| json!({}));
        if let Value::Object(advanced) = advanced {
            advanced.insert("endpoint".to_owned(), json!(endpoint));
        }
    }

    /// Refuses a prefix that holds files of a table already: they would be taken for this run's.
    pub async fn require_empty(&self, prefix: &str) -> Result<()> {
        let mut token = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(literal_part(prefix))
                .set_continuation_token(token)
                .send()
                .await;
            let page = page.map_err(|error| self.refused("list", explain(&error)))?;
            let mut keys = page.contents().iter().filter_map(Object::key);
            if keys.any(|key| !is_staged(key)) {
                return Err(Error::Usage(format!(
                    "s3://{}/{prefix} holds files already, and a run can only be compared with its own; name another bucket with --bucket",
                    self.name
                )));
            }
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// Requests that the embedded server does not implement: none, or the run has not tested what it seems to.
    pub fn unsupported_requests(&self) -> Vec<String> {
        match &self.guard {
            Guard::Embedded(server) => server
                .unsupported()
                .iter()
                .map(|entry| format!("{entry:?}"))
                .collect(),
            Guard::Container(_) | Guard::None => Vec::new(),
        }
    }

    /// Every request to the embedded server so far; none for other servers.
    pub fn requests(&self) -> Vec<(s3::Entry, s3::Timing)> {
        match &self.guard {
            Guard::Embedded(server) => server.timed_journal(),
            Guard::Container(_) | Guard::None => Vec::new(),
        }
    }

    /// Ends the server, if it is the run's own.
    pub async fn close(self) -> Result<()> {
        match self.guard {
            Guard::Embedded(server) => server.stop().await,
            Guard::Container(container) => container.stop().await?,
            Guard::None => {}
        }
        Ok(())
    }

    async fn make(&self) -> Result<()> {
        if self
            .client
            .head_bucket()
            .bucket(&self.name)
            .send()
            .await
            .is_ok()
        {
            return Ok(());
        }
        let region = self.location.region.as_str();
        let place = (region != FIRST_REGION).then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
        let made = self
            .client
            .create_bucket()
            .bucket(&self.name)
            .set_create_bucket_configuration(place)
            .send()
            .await;
        made.map(drop)
            .map_err(|error| self.refused("make", explain(&error)))
    }

    fn refused(&self, operation: &'static str, message: String) -> Error {
        Error::Bucket {
            operation,
            name: self.name.clone(),
            endpoint: self.location.endpoint.clone(),
            message,
        }
    }
}

async fn embedded(manners: Manners, seed: u64) -> Result<(Location, Guard)> {
    let options = s3::Options {
        rules: manners.rules(),
        seed,
        ..s3::Options::default()
    };
    let (access_key_id, secret_access_key) = (
        options.access_key_id.clone(),
        options.secret_access_key.clone(),
    );
    let server = s3::Server::start(options).await?;
    let location = Location {
        endpoint: server.endpoint(),
        region: FIRST_REGION.to_owned(),
        access_key_id,
        secret_access_key,
    };
    Ok((location, Guard::Embedded(server)))
}

async fn contained(image: Image) -> Result<(Location, Guard)> {
    let container = Container::start(image).await?;
    Ok((
        Location::of(&container),
        Guard::Container(Box::new(container)),
    ))
}

/// A client of the server at a place.
pub(crate) fn client(location: &Location) -> Client {
    let credentials = Credentials::new(
        &location.access_key_id,
        &location.secret_access_key,
        None,
        None,
        "flow-sim",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&location.endpoint)
        .region(Region::new(location.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_configuration_names_the_place_and_keeps_the_rest() {
        let bucket = Bucket::open(&Store::Embedded, None, 0).await.unwrap();
        let mut config = json!({"bucket": "other", "uploadIntervalInSeconds": 5, "advanced": {"fileSizeLimit": 9}});
        bucket.configure(&mut config);
        assert_eq!(config["bucket"], "flow-sim");
        assert_eq!(
            config["advanced"],
            json!({"fileSizeLimit": 9, "endpoint": bucket.location.endpoint})
        );
        assert_eq!(config["uploadIntervalInSeconds"], 5);
        assert!(
            !format!("{:?}", bucket.location).contains(&bucket.location.secret_access_key.clone())
        );
        bucket.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_prefix_with_files_is_refused() {
        let bucket = Bucket::open(&Store::Embedded, Some("b-1"), 0)
            .await
            .unwrap();
        bucket.require_empty("a/").await.unwrap();
        let put = async |key| {
            let put = bucket.client().put_object().bucket("b-1").key(key);
            put.body(Vec::new().into()).send().await.unwrap();
        };
        put("a/_staged/00000000-0a1b2c3d.receipt").await;
        bucket.require_empty("a/").await.unwrap();
        put("a/x").await;
        let error = bucket.require_empty("a/").await.unwrap_err();
        assert!(error.to_string().contains("--bucket"), "{error}");
    }
}
