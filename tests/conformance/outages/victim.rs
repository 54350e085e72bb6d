//! Servers of the tests' own, to be hurt: killed and paused, and healed again.

use std::time::Duration;

use flow_sim::container::Container;
use flow_sim::run::Location;
use flow_sim::s3::{self, Attempts, Effect, Fault, FaultPlan, KeyPattern, Operation};
use flow_sim::{ceph, minio};
use tokio::sync::Mutex;

use super::LENGTH;
use crate::servers::{Server, embedded_location};

/// How long the simulator's own server takes to complete an upload.
const COMPLETION: Duration = Duration::from_millis(50);

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    /// It is killed with SIGKILL, and started again on what it had stored.
    Kill,
    /// It takes requests and does not answer them for a while.
    Pause,
}

/// A server of a test's own.
pub(super) struct Victim {
    location: Location,
    body: Mutex<Body>,
}

enum Body {
    Embedded(s3::Server),
    Dead(s3::Stored),
    Container(Box<Container>),
    Changing,
}

impl Victim {
    pub(super) async fn start(server: Server) -> Self {
        let (location, body) = match server {
            Server::Embedded => {
                let options = s3::Options {
                    faults: slow_completions(),
                    ..s3::Options::default()
                };
                let embedded = s3::Server::start(options).await.unwrap();
                (embedded_location(&embedded), Body::Embedded(embedded))
            }
            Server::Minio => contained(minio::start().await.unwrap()),
            Server::Ceph => contained(ceph::start().await.unwrap()),
        };
        Self {
            location,
            body: Mutex::new(body),
        }
    }

    pub(super) fn location(&self) -> Location {
        self.location.clone()
    }

    pub(super) async fn hurt(&self, outage: Outage) {
        let mut body = self.body.lock().await;
        *body = match std::mem::replace(&mut *body, Body::Changing) {
            Body::Embedded(server) if outage == Outage::Kill => Body::Dead(server.kill().await),
            Body::Embedded(server) => {
                server.set_faults(paused());
                Body::Embedded(server)
            }
            Body::Container(container) => {
                match outage {
                    Outage::Kill => container.kill().await.unwrap(),
                    Outage::Pause => container.pause().await.unwrap(),
                }
                Body::Container(container)
            }
            Body::Dead(_) | Body::Changing => unreachable!("it is hurt once at a time"),
        };
    }

    pub(super) async fn heal(&self, outage: Outage) {
        let mut body = self.body.lock().await;
        *body = match std::mem::replace(&mut *body, Body::Changing) {
            Body::Dead(stored) => Body::Embedded(self.start_on(stored).await),
            Body::Embedded(server) => {
                server.set_faults(FaultPlan::default());
                Body::Embedded(server)
            }
            Body::Container(container) => {
                match outage {
                    Outage::Kill => container.start_again().await.unwrap(),
                    Outage::Pause => container.unpause().await.unwrap(),
                }
                Body::Container(container)
            }
            Body::Changing => unreachable!("it was hurt before"),
        };
    }

    async fn start_on(&self, stored: s3::Stored) -> s3::Server {
        let address = self.location.endpoint.strip_prefix("http://").unwrap();
        let options = s3::Options {
            address: address.parse().unwrap(),
            ..s3::Options::default()
        };
        s3::Server::start_on(stored, options).await.unwrap()
    }
}

fn contained(container: Container) -> (Location, Body) {
    (
        Location::of(&container),
        Body::Container(Box::new(container)),
    )
}

/// Completions take their time, as on a real server, so that there is one to strike in the middle of.
fn slow_completions() -> FaultPlan {
    delayed(Some(Operation::CompleteMultipartUpload), COMPLETION)
}

/// Whatever is asked waits for as long as the outage lasts, and is answered then.
fn paused() -> FaultPlan {
    delayed(None, LENGTH)
}

fn delayed(operation: Option<Operation>, delay: Duration) -> FaultPlan {
    let milliseconds = delay.as_millis() as u64;
    let fault = Fault {
        operation,
        key: KeyPattern::Any,
        part: None,
        attempts: Attempts::ALL,
        per_mille: 1000,
        effect: Effect::Latency { milliseconds },
    };
    FaultPlan {
        seed: 0,
        faults: vec![fault],
    }
}
