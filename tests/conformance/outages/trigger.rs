//! Hurts a server at the right moment of a run, and heals it a little later.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::types::Object;
use flow_sim::run::{Bucket, Event, Options, Progress, Store};
use flow_sim::runtime::{Step, Verdict};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::victim::{Outage, Victim};
use super::{LARGE, LENGTH, wait_for};
use crate::servers::files;

/// Where the first binding's files are.
const FIRST: &str = "noise/000/v";

/// How often the server is asked how far things are.
const POLL: Duration = Duration::from_millis(5);

/// When a server is hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Half of the first transaction's rows are sent, and a part has arrived.
    Upload,
    /// The first transaction is committed, and its first file is complete.
    Completion,
}

/// Hurts a server once.
pub(super) struct Trigger {
    victim: Arc<Victim>,
    outage: Outage,
    moment: Moment,
    /// Why connectors have failed.
    pub(super) failures: Vec<String>,
    bucket: String,
    client: Option<Client>,
    committed: bool,
    healing: Option<JoinHandle<()>>,
    hurt_at: Option<SystemTime>,
}

impl Trigger {
    pub(super) fn new(
        victim: &Arc<Victim>,
        options: &Options,
        moment: Moment,
        outage: Outage,
    ) -> Self {
        Self {
            victim: Arc::clone(victim),
            outage,
            moment,
            failures: Vec::new(),
            bucket: options.bucket.clone().unwrap(),
            client: None,
            committed: false,
            healing: None,
            hurt_at: None,
        }
    }

    /// Waits until the server is healed. Panics if it was never hurt.
    pub(super) async fn healed(&mut self) {
        self.healing.take().expect("the outage").await.unwrap();
    }

    /// How many files were made before the server was hurt, and how many later. S3 tells the time
    /// of an object to the second.
    pub(super) async fn files_before_and_after(&self) -> (usize, usize) {
        let hurt_at = self.hurt_at.unwrap().duration_since(SystemTime::UNIX_EPOCH);
        let hurt_at = hurt_at.unwrap().as_secs_f64();
        let files = self.files("").await;
        let (before, after): (Vec<_>, Vec<_>) = files
            .iter()
            .map(|object| object.last_modified().unwrap().as_secs_f64())
            .partition(|made_at| *made_at < hurt_at);
        (before.len(), after.len())
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("the run has opened its bucket")
    }

    fn is_due(&self, step: Step) -> bool {
        self.hurt_at.is_none()
            && match self.moment {
                Moment::Upload => {
                    let count = LARGE.documents as u64 / 2;
                    step == Step::StoreSent { count }
                }
                Moment::Completion => self.committed && step == Step::AcknowledgeSent,
            }
    }

    async fn hurt(&mut self) {
        while !self.has_begun().await {
            sleep(POLL).await;
        }
        self.victim.hurt(self.outage).await;
        self.hurt_at = Some(now());
        let (victim, outage) = (Arc::clone(&self.victim), self.outage);
        self.healing = Some(tokio::spawn(async move {
            sleep(LENGTH).await;
            victim.heal(outage).await;
        }));
    }

    /// Whether there is a part, or a file of the first binding. (To list all takes some servers as
    /// long as to complete all.)
    async fn has_begun(&self) -> bool {
        match self.moment {
            Moment::Upload => self.parts().await > 0,
            Moment::Completion => !self.files(FIRST).await.is_empty(),
        }
    }

    async fn files(&self, prefix: &str) -> Vec<Object> {
        files(self.client(), &self.bucket, prefix).await
    }

    async fn parts(&self) -> usize {
        let uploads = self.client().list_multipart_uploads().bucket(&self.bucket);
        let uploads = uploads.send().await.unwrap();
        let mut parts = 0;
        for upload in uploads.uploads() {
            let request = self.client().list_parts().bucket(&self.bucket);
            let request = request.set_key(upload.key.clone());
            let listed = request.set_upload_id(upload.upload_id.clone()).send().await;
            parts += listed.unwrap().parts().len();
        }
        parts
    }
}

impl Progress for Trigger {
    fn event(&mut self, event: Event) {
        match event {
            Event::Committed { .. } => self.committed = true,
            Event::Failed { message, .. } => self.failures.push(message),
            Event::Loaded { .. } => {
                let store = Store::At(self.victim.location(self.outage));
                let open = Bucket::open(&store, Some(&self.bucket), 0);
                let bucket = wait_for(open).unwrap();
                self.client = Some(bucket.client().clone());
            }
            _ => {}
        }
    }

    fn step(&mut self, _shard: u32, step: Step) -> Verdict {
        if self.is_due(step) {
            wait_for(self.hurt());
        }
        Verdict::Continue
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "to compare with the times that a real server gives its objects"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
