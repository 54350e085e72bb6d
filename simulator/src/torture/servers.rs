//! The S3 servers of a run: one store that is reached by two addresses, each with keys of its own.
//! The second one does not tell whose server it is, as a proxy may not.

use std::time::Duration;

use super::plan::Plan;
use super::spec::Endpoint;
use crate::s3::{
    Completing, Effect, Entry, FaultPlan, Operation, Options, Outcome, Rules, Server, ServerError,
    Store, Timing,
};

/// The bucket that a task begins with, and the one it may go on in.
pub(super) const BUCKETS: [&str; 2] = ["torture", "torture-2"];

/// See the module.
pub(super) struct Servers {
    /// By the store's own address, and by the other one.
    both: [Server; 2],
    /// Where each of them is, with the first bucket.
    endpoints: [Endpoint; 2],
}

/// How many requests each of the servers had heard at some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard([usize; 2]);

impl Servers {
    /// Starts them.
    pub(super) async fn start(plan: &Plan) -> Result<Self, ServerError> {
        let manners = plan.server.manners.rules();
        let rules = Rules {
            equal_parts: true,
            // So that a connector that is killed at work is more often in the middle of it.
            completing: Completing {
                milliseconds: 3 * manners.completing.milliseconds,
                ..manners.completing
            },
            versioned: plan.server.versioned,
            ..manners
        };
        let options = Options {
            buckets: BUCKETS.map(str::to_owned).into(),
            rules: rules.clone(),
            faults: faults(plan),
            seed: plan.seed,
            ..Options::default()
        };
        let behind = Options {
            access_key_id: "flow-sim-2".to_owned(),
            secret_access_key: "flow-sim-secret-2".to_owned(),
            rules: Rules {
                server: None,
                error_headers: None,
                ..rules
            },
            ..options.clone()
        };
        let keys = [&options, &behind].map(|options| {
            (
                options.access_key_id.clone(),
                options.secret_access_key.clone(),
            )
        });
        let own = Server::start(options).await?;
        let other = Server::start_on(own.stored(), behind).await?;
        let [own_keys, other_keys] = keys;
        Ok(Self {
            endpoints: [endpoint(&own, own_keys), endpoint(&other, other_keys)],
            both: [own, other],
        })
    }

    /// Where a task may write.
    pub(super) fn endpoint(&self, is_proxied: bool, is_second_bucket: bool) -> Endpoint {
        Endpoint {
            bucket: BUCKETS[usize::from(is_second_bucket)].to_owned(),
            ..self.endpoints[usize::from(is_proxied)].clone()
        }
    }

    /// Looks at the store, or changes it behind the clients' backs.
    pub(super) fn with_store<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        self.both[0].with_store(work)
    }

    /// How many requests there have been.
    pub(super) fn heard(&self) -> Heard {
        Heard(self.both.each_ref().map(|server| server.journal().len()))
    }

    /// The requests since then.
    pub(super) fn since(&self, Heard(heard): Heard) -> Vec<Entry> {
        let journals = self.both.iter().zip(heard);
        journals
            .flat_map(|(server, from)| server.journal().split_off(from))
            .collect()
    }

    /// Every request so far.
    pub(super) fn journal(&self) -> Vec<Entry> {
        self.since(Heard::default())
    }

    /// Every request so far and when it came and ended, in the order of arrival.
    pub(super) fn timed_journal(&self) -> Vec<(Entry, Timing)> {
        let mut timed: Vec<(Entry, Timing)> =
            self.both.iter().flat_map(Server::timed_journal).collect();
        timed.sort_by_key(|(_, timing)| timing.began);
        timed
    }

    /// The requests so far that the servers do not implement.
    pub(super) fn unsupported(&self) -> Vec<Entry> {
        self.both.iter().flat_map(Server::unsupported).collect()
    }

    /// Nothing goes wrong any more.
    pub(super) fn end_faults(&self) {
        for server in &self.both {
            server.set_faults(FaultPlan::default());
        }
    }

    /// From now on every request is refused, or no longer.
    pub(super) fn refuse(&self, refuses: bool) {
        for server in &self.both {
            if refuses {
                server.revoke_access();
            } else {
                server.restore_access();
            }
        }
    }

    /// Waits until no request that `counts` is still being carried out.
    pub(super) async fn settle(&self, counts: impl Fn(&Entry) -> bool) {
        let is_open = |entry: &Entry| entry.outcome == Outcome::Open && counts(entry);
        while self.journal().iter().any(is_open) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until no copy is under way whose client is gone. Whoever looks for its outcome before
    /// would copy once more.
    pub(super) async fn settle_copies(&self) {
        self.settle(|entry| entry.target.operation == Operation::CopyObject)
            .await;
    }
}

fn endpoint(server: &Server, (access_key_id, secret_access_key): (String, String)) -> Endpoint {
    Endpoint {
        url: server.endpoint(),
        bucket: BUCKETS[0].to_owned(),
        access_key_id,
        secret_access_key,
    }
}

fn faults(plan: &Plan) -> FaultPlan {
    FaultPlan {
        seed: plan.seed,
        faults: plan.server.faults.clone(),
    }
}

/// How long the server may still do what it was asked for after the connection was closed.
pub(super) fn longest_delay(plan: &Plan) -> Duration {
    let delays = plan.server.faults.iter().map(|fault| match fault.effect {
        Effect::ResetThenDone { milliseconds } | Effect::ResetThenVisible { milliseconds } => {
            milliseconds + 5
        }
        _ => 0,
    });
    Duration::from_millis(delays.max().unwrap_or(0))
}
