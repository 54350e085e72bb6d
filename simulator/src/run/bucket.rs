//! The bucket of a run: an S3 server, started if need be, and what a connector must be told to
//! reach it.

use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, Object};
use serde_json::Value;

use super::endpoint;
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
    /// What temporary credentials have besides. Connectors are not given it.
    pub session_token: Option<String>,
}

impl Location {
    /// The place of a server in a container, for programs on this machine.
    pub fn of(container: &Container) -> Self {
        Self {
            endpoint: container.endpoint(),
            region: FIRST_REGION.to_owned(),
            access_key_id: container::ACCESS_KEY.to_owned(),
            secret_access_key: container::SECRET_KEY.to_owned(),
            session_token: None,
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

/// How a bucket is opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Where it is.
    pub store: &'a Store,
    /// Whose manners a server inside this process has. Others have their own.
    pub manners: Manners,
    /// Its name; none = `flow-sim`.
    pub name: Option<&'a str>,
    /// What a server inside this process derives what is random from.
    pub seed: u64,
    /// Whether it is made where it is not there, on a server that is not the run's own.
    pub makes_bucket: bool,
    /// Whether it stands in the path of URLs, and not in the name of the host.
    pub path_style: bool,
    /// Whether the catalog names it, and not the command line.
    pub is_catalogs: bool,
}

impl<'a> Opening<'a> {
    /// Of a bucket that is there, or on a server of the run's own.
    pub fn new(store: &'a Store, name: Option<&'a str>, seed: u64) -> Self {
        Self {
            store,
            manners: Manners::default(),
            name,
            seed,
            makes_bucket: false,
            path_style: true,
            is_catalogs: false,
        }
    }
}

/// The bucket of a run. The server behind it lives as long as this does.
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub location: Location,
    client: Client,
    guard: Guard,
    is_catalogs: bool,
}

impl Bucket {
    /// Starts the server if it is not there already, and makes the bucket if that is not.
    pub async fn open(store: &Store, name: Option<&str>, seed: u64) -> Result<Self> {
        Self::open_as(&Opening {
            makes_bucket: true,
            ..Opening::new(store, name, seed)
        })
        .await
    }

    /// Starts the server if it is not there already. The bucket is made on a server of the run's
    /// own, and on others where that was asked for.
    pub async fn open_as(opening: &Opening<'_>) -> Result<Self> {
        let (location, guard) = match opening.store {
            Store::Embedded => embedded(opening.manners, opening.seed).await?,
            Store::Minio => contained(minio::IMAGE).await?,
            Store::Ceph => contained(ceph::IMAGE).await?,
            Store::SeaweedFs => contained(seaweedfs::IMAGE).await?,
            Store::At(location) => (location.clone(), Guard::None),
            Store::Catalog | Store::None => {
                return Err(Error::Usage(
                    "there is no server to open where the store is `catalog` or `none`".to_owned(),
                ));
            }
        };
        let name = opening.name.unwrap_or(BUCKET).to_owned();
        let bucket = Self {
            name,
            client: styled_client(&location, opening.path_style),
            location,
            guard,
            is_catalogs: opening.is_catalogs,
        };
        if bucket.is_missing().await? {
            bucket.require_making(opening.makes_bucket)?;
            bucket.make().await?;
        }
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
    pub fn configure(&self, config: &mut Value) -> Result<()> {
        endpoint::place(self, config, &mut Vec::new())
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
                    "s3://{}/{prefix} holds files already, and a run can only be compared with \
                     its own; keep it apart with --prefix, or {}",
                    self.name,
                    self.other_name()
                )));
            }
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// Requests that the embedded server does not implement: none, or the run has not tested what
    /// it seems to.
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

    async fn is_missing(&self) -> Result<bool> {
        let looked = self.client.head_bucket().bucket(&self.name).send().await;
        let Err(error) = looked else {
            return Ok(false);
        };
        // An answer to HEAD has no body that could say more.
        match error.raw_response().map(|answer| answer.status().as_u16()) {
            Some(404) => Ok(true),
            Some(301 | 307) => Err(self.refused("use", "it is in another region".to_owned())),
            Some(403) => Err(self.refused(
                "look for",
                "access is denied (403): the credentials are wrong, or may not list it".to_owned(),
            )),
            Some(status) => Err(self.refused("look for", format!("the server answered {status}"))),
            None => Err(self.refused("look for", explain(&error))),
        }
    }

    /// A bucket on somebody's server is not made by the way: a wrong name would make a new one.
    fn require_making(&self, makes_bucket: bool) -> Result<()> {
        if makes_bucket || self.is_ephemeral() {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "there is no bucket `{}` at {}; {}, or have it made with --make-bucket",
            self.name,
            self.location.endpoint,
            self.other_name()
        )))
    }

    /// How another bucket is named.
    fn other_name(&self) -> &'static str {
        if self.is_catalogs {
            "correct `bucket` in the catalog"
        } else {
            "name another bucket with --bucket"
        }
    }

    async fn make(&self) -> Result<()> {
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
        session_token: None,
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
    styled_client(location, true)
}

fn styled_client(location: &Location, path_style: bool) -> Client {
    let credentials = Credentials::new(
        &location.access_key_id,
        &location.secret_access_key,
        location.session_token.clone(),
        None,
        "flow-sim",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&location.endpoint)
        .region(Region::new(location.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(path_style)
        .build();
    Client::from_conf(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    #[tokio::test]
    async fn a_bucket_of_somebody_else_is_made_only_where_that_was_asked_for() {
        let own = Bucket::open(&Store::Embedded, None, 0).await.unwrap();
        assert!(!format!("{:?}", own.location).contains(&own.location.secret_access_key));
        let there = Store::At(own.location.clone());
        let opening = Opening::new(&there, Some("nobodys"), 0);
        let error = Bucket::open_as(&opening).await.err().unwrap();
        assert!(error.to_string().contains("--make-bucket"), "{error}");
        assert_eq!(error.status(), Status::Usage);
        let making = Opening {
            makes_bucket: true,
            ..opening
        };
        Bucket::open_as(&making).await.unwrap();
        Bucket::open_as(&opening).await.unwrap();
        own.close().await.unwrap();
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
