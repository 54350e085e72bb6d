//! The S3 servers of the suite, and the connector that it drives.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::Object;
use flow_sim::container::{Container, Image};
use flow_sim::run::{Location, Store};
use flow_sim::{ceph, minio, s3, seaweedfs};

use crate::docker;

/// A kind of S3 server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// The simulator's own.
    Embedded,
    /// A real MinIO, one for the whole suite.
    Minio,
    /// A real Ceph, one for the whole suite.
    Ceph,
    /// A real SeaweedFS, one for the whole suite.
    SeaweedFs,
}

impl Server {
    /// Every server that can be had: without Docker only the simulator's own, and then `test` is
    /// noted as skipped for the rest.
    pub(crate) fn all(test: &str) -> Vec<Self> {
        if docker::wanted(test) {
            vec![Self::Embedded, Self::Minio, Self::Ceph, Self::SeaweedFs]
        } else {
            vec![Self::Embedded]
        }
    }

    /// Where it is. Cases share it, so each takes a [bucket](bucket) of its own.
    pub(crate) fn location(self) -> Location {
        match self {
            Self::Embedded => embedded().clone(),
            Self::Minio => minio().0.clone(),
            Self::Ceph => ceph().0.clone(),
            Self::SeaweedFs => seaweedfs().0.clone(),
        }
    }

    /// The same as a run's store.
    pub(crate) fn store(self) -> Store {
        Store::At(self.location())
    }
}

/// The place of MinIO as a container on the engine's network sees it.
pub(crate) fn minio_from_containers() -> Location {
    let (location, bridge) = minio();
    Location {
        endpoint: bridge.clone(),
        ..location.clone()
    }
}

/// A name that no other case of this run has.
pub(crate) fn bucket(case: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{number}", case.replace('_', "-"))
}

/// The files below a prefix that anybody can see. What the connector keeps for itself is none of
/// them.
pub(crate) async fn files(client: &Client, bucket: &str, prefix: &str) -> Vec<Object> {
    let mut pages = client
        .list_objects_v2()
        .bucket(bucket)
        .prefix(prefix)
        .into_paginator()
        .send();
    let mut files = Vec::new();
    while let Some(page) = pages.next().await {
        files.extend(page.unwrap().contents.unwrap_or_default());
    }
    files.retain(|object| !is_kept_for_itself(object.key().unwrap()));
    files
}

/// Whether a key has the segment below which the connector keeps what is no file.
fn is_kept_for_itself(key: &str) -> bool {
    key.split('/').any(|segment| segment == "_staged")
}

/// A folder of `tests`.
pub(crate) fn tests_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// The connector's program, which `cargo conformance` builds before it runs the suite.
pub(crate) fn connector() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own
        .parent()
        .unwrap()
        .with_file_name("materialize-s3-parquet");
    assert!(
        path.is_file(),
        "{} is not there: run `cargo build --workspace --bins`, or the suite by `cargo \
         conformance`",
        path.display()
    );
    path
}

/// Where one of the simulator's own servers is, with the keys that it has by default.
pub(crate) fn embedded_location(server: &s3::Server) -> Location {
    let s3::Options {
        access_key_id,
        secret_access_key,
        ..
    } = s3::Options::default();
    Location {
        endpoint: server.endpoint(),
        region: "us-east-1".to_owned(),
        access_key_id,
        secret_access_key,
        session_token: None,
    }
}

fn embedded() -> &'static Location {
    static LOCATION: OnceLock<Location> = OnceLock::new();
    LOCATION.get_or_init(|| {
        for_ever(async || {
            let server = s3::Server::start(s3::Options::default()).await.unwrap();
            let location = embedded_location(&server);
            (server, location)
        })
    })
}

/// A server's place as we see it, and its URL as containers do.
type Place = (Location, String);

fn minio() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| contained(minio::IMAGE))
}

fn ceph() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| contained(ceph::IMAGE))
}

fn seaweedfs() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| contained(seaweedfs::IMAGE))
}

/// Starts a server in a container, which is removed when this process is gone.
fn contained(image: Image) -> Place {
    for_ever(async move || {
        let container = Container::start(image).await.unwrap();
        let bridge = container.bridge_endpoint().to_owned();
        let place = (Location::of(&container), bridge);
        (container, place)
    })
}

/// Starts a server on a thread that ends with the process: each test has a runtime of its own, and
/// servers outlive them.
fn for_ever<S: 'static, T: Send + 'static>(
    start: impl AsyncFnOnce() -> (S, T) + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (_server, place) = start().await;
            sender.send(place).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().expect("the server starts")
}
