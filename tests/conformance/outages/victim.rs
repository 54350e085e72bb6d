//! Servers of the tests' own, to be hurt: killed, paused and cut off, and healed again.

use std::time::Duration;

use flow_sim::container::Container;
use flow_sim::run::Location;
use flow_sim::s3::{self, Attempts, Effect, Fault, FaultPlan, KeyPattern, Operation};
use flow_sim::{ceph, minio, seaweedfs};
use tokio::sync::Mutex;

use super::LENGTH;
use super::line::Line;
use crate::servers::{Server, embedded_location};

/// How long the simulator's own server takes to complete an upload.
const COMPLETION: Duration = Duration::from_millis(50);

/// The share of a processor for SeaweedFS. With a whole one it has completed a hundred files before
/// the engine has taken its network away.
const SEAWEEDFS_PROCESSORS: f32 = 0.4;

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    /// It is killed with SIGKILL, and started again on what it had stored.
    Kill,
    /// It takes requests and does not answer them for a while.
    Pause,
    /// Its container's network is taken away, and given back.
    Disconnect,
    /// The line between it and everybody else goes dead: nobody is told, and connections stay dead
    /// when the line is mended.
    Silence,
}

impl Outage {
    /// What the engine or the simulator's own server can do.
    pub(super) fn of(server: Server) -> &'static [Self] {
        match server {
            Server::Embedded => &[Self::Kill, Self::Pause, Self::Silence],
            Server::Minio | Server::Ceph | Server::SeaweedFs => {
                &[Self::Kill, Self::Pause, Self::Disconnect, Self::Silence]
            }
        }
    }
}

/// A server of a test's own, and a line to it.
pub(super) struct Victim {
    location: Location,
    line: Line,
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
            Server::SeaweedFs => {
                let container = seaweedfs::start().await.unwrap();
                container.limit(SEAWEEDFS_PROCESSORS).await.unwrap();
                contained(container)
            }
        };
        let line = Line::to(&location.endpoint).await;
        Self {
            location,
            line,
            body: Mutex::new(body),
        }
    }

    /// Where it is: at this end of the line to it where that is to go dead.
    pub(super) fn location(&self, outage: Outage) -> Location {
        let mut location = self.location.clone();
        if outage == Outage::Silence {
            self.line.endpoint().clone_into(&mut location.endpoint);
        }
        location
    }

    /// How many connections have gone dead.
    pub(super) fn connections_cut(&self) -> usize {
        self.line.connections_cut()
    }

    pub(super) async fn hurt(&self, outage: Outage) {
        if outage == Outage::Silence {
            return self.line.cut();
        }
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
                    Outage::Disconnect => container.disconnect().await.unwrap(),
                    Outage::Silence => unreachable!("the line is hurt"),
                }
                Body::Container(container)
            }
            Body::Dead(_) | Body::Changing => unreachable!("it is hurt once at a time"),
        };
    }

    pub(super) async fn heal(&self, outage: Outage) {
        if outage == Outage::Silence {
            return self.line.mend();
        }
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
                    Outage::Disconnect => container.connect().await.unwrap(),
                    Outage::Silence => unreachable!("the line is healed"),
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

/// Completions take their time, as on a real server, so that there is one to strike in the middle
/// of.
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
