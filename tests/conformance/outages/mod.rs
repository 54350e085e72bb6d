//! Outages of servers with the real connector running: in mid-upload and in mid-completion the
//! server is killed and comes back, takes requests and does not answer them for a while, loses its
//! network, or the line to it goes dead without a word. And the connector itself is killed in
//! mid-completion. Nothing is lost, nothing doubled: what is read back is what was sent.

mod killed;
mod line;
mod trigger;
mod victim;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flow_sim::run::{Options, Store, run};
use tokio::runtime::Handle;

use crate::docker;
use crate::servers::{Server, bucket, connector};
use trigger::{Moment, Trigger};
use victim::{Outage, Victim};

/// How long an outage lasts. A server that was killed takes longer, until it is ready again.
const LENGTH: Duration = Duration::from_secs(2);

/// How often a connector that has failed is started again.
const RESTARTS: u32 = 20;

/// The documents of the catalog with one binding: 30 MB, in row groups of one part each.
const LARGE: Catalog = Catalog {
    bindings: 1,
    documents: 3_000,
    transactions: 2,
};

/// Many small files, so that their completions take longer than it takes to hurt a server.
const WIDE: Catalog = Catalog {
    bindings: 100,
    documents: 1,
    transactions: 2,
};

/// A catalog that materializes one collection of noise a number of times, with so many documents in
/// each of its transactions.
#[derive(Clone, Copy)]
struct Catalog {
    bindings: usize,
    documents: usize,
    transactions: usize,
}

impl Catalog {
    /// The documents for a moment: large files to upload, or many to complete.
    fn of(moment: Moment) -> Self {
        match moment {
            Moment::Upload => LARGE,
            Moment::Completion => WIDE,
        }
    }

    /// Writes it down, with the recipe of its documents.
    fn write(self, folder: &Path) {
        let binding = |number| {
            format!("      - {{source: noise, resource: {{pathPrefix: noise/{number:03}}}}}")
        };
        let bindings = (0..self.bindings)
            .map(binding)
            .collect::<Vec<_>>()
            .join("\n");
        let catalog = format!(
            "collections:
  noise:
    key: [/id]
    schema:
      type: object
      properties: {{id: {{type: integer}}, noise: {{type: string}}}}
      required: [id]
materializations:
  lake:
    endpoint:
      local:
        command: [materialize-s3-parquet]
        protobuf: true
        config:
          awsAccessKeyId: placeholder
          awsSecretAccessKey: placeholder
          bucket: placeholder
          region: us-east-1
          uploadIntervalInSeconds: 0
          advanced: {{rowGroupByteLimit: 8388608}}
    bindings:
{bindings}"
        );
        let transactions = self.transactions;
        let documents = transactions * self.documents;
        let recipe = format!(
            "{{collection: noise, generator: noise, seed: 1, documents: {documents}, \
             transactions: {transactions}, sessions: 1}}"
        );
        std::fs::write(folder.join("flow.yaml"), catalog).unwrap();
        std::fs::write(folder.join("fixture.yaml"), recipe).unwrap();
    }
}

/// The connector, so many times less patient than in life.
fn impatient(times: u32) -> Vec<String> {
    let haste = format!("FLOW_SIM_HASTE={times}");
    vec!["env".to_owned(), haste, connector().display().to_string()]
}

fn options(
    victim: &Victim,
    outage: Outage,
    folder: &Path,
    (command, restarts): (Vec<String>, u32),
) -> Options {
    Options {
        store: Store::At(victim.location(outage)),
        bucket: Some(bucket("outage")),
        connector: Some(command),
        restarts,
        patience: Duration::from_mins(3),
        ..Options::new(folder.join("flow.yaml"))
    }
}

/// Plays a catalog while the server has an outage at that moment. What is read back must be what
/// was sent.
async fn survives(victim: &Arc<Victim>, moment: Moment, outage: Outage) -> Trigger {
    let played = plays((command(outage), RESTARTS), victim, moment, outage).await;
    played.unwrap_or_else(|error| panic!("{moment:?} {outage:?}: {error}"))
}

fn command(outage: Outage) -> Vec<String> {
    match outage {
        // Who is not answered tries again after minutes, and here after ten seconds.
        Outage::Disconnect | Outage::Silence => impatient(30),
        Outage::Kill | Outage::Pause => vec![connector().display().to_string()],
    }
}

/// The same with a connector that is started again so often; or why the run has failed.
async fn plays(
    command: (Vec<String>, u32),
    victim: &Arc<Victim>,
    moment: Moment,
    outage: Outage,
) -> Result<Trigger, String> {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::of(moment);
    catalog.write(folder.path());
    let options = options(victim, outage, folder.path(), command);
    let mut trigger = Trigger::new(victim, &options, moment, outage);
    let what = format!("{moment:?} {outage:?}");
    let played = run(&options, &mut trigger).await;
    trigger.healed().await;
    let report = played.map_err(|error| error.to_string())?;
    // Somebody was in the middle of something.
    assert!(outage != Outage::Silence || victim.connections_cut() > 0);
    let difference = report.differences().next();
    assert!(difference.is_none(), "{what}: {difference:?}");
    assert_eq!(report.recovery[0].committed, 2);
    for binding in &report.bindings {
        assert_eq!(binding.equal_rows, 2 * catalog.documents as u64);
    }
    Ok(trigger)
}

/// Waits here, in the middle of the run, which is told of its progress and does not wait by itself.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| Handle::current().block_on(future))
}

/// The connector's own patience has sufficed. Where connections may be refused for two seconds an
/// impatient one may have given up, and then it has said what does not answer.
fn has_coped(victim: &Victim, trigger: &Trigger, outage: Outage) {
    let endpoint = victim.location(outage).endpoint;
    for failure in &trigger.failures {
        let is_clear = failure.contains(&endpoint) && failure.contains("`/advanced/endpoint`");
        assert!(
            outage == Outage::Disconnect && is_clear,
            "{outage:?}: {failure}"
        );
    }
}

async fn survives_in_mid_upload(server: Server) {
    let victim = Arc::new(Victim::start(server).await);
    for &outage in Outage::of(server) {
        let trigger = survives(&victim, Moment::Upload, outage).await;
        has_coped(&victim, &trigger, outage);
    }
}

async fn survives_in_mid_completion(server: Server) {
    let victim = Arc::new(Victim::start(server).await);
    for &outage in Outage::of(server) {
        let trigger = survives(&victim, Moment::Completion, outage).await;
        has_coped(&victim, &trigger, outage);
        let (before, after) = trigger.files_before_and_after().await;
        // It was in the middle of the first transaction's files.
        assert_eq!(before + after, 2 * WIDE.bindings);
        let middle = 1..WIDE.bindings;
        assert!(middle.contains(&before), "{server:?} {outage:?}: {before}");
    }
}

/// A connector that has lost its patience says what is wrong, and is started anew until the server
/// is there again.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_outlasts_the_retries_is_a_clear_error_and_the_next_session_goes_on() {
    let victim = Arc::new(Victim::start(Server::Embedded).await);
    for moment in [Moment::Upload, Moment::Completion] {
        let played = plays((impatient(100), RESTARTS), &victim, moment, Outage::Kill).await;
        let trigger = played.unwrap();
        let failure = trigger.failures.first().expect("it has failed");
        let endpoint = victim.location(Outage::Kill).endpoint;
        for part in [
            endpoint.as_str(),
            "refuses connections",
            "`/advanced/endpoint`",
        ] {
            assert!(failure.contains(part), "{part} is not in: {failure}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_in_mid_upload() {
    survives_in_mid_upload(Server::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_in_mid_completion() {
    survives_in_mid_completion(Server::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_in_mid_upload() {
    if docker::wanted("outages::minio_in_mid_upload") {
        survives_in_mid_upload(Server::Minio).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_in_mid_completion() {
    if docker::wanted("outages::minio_in_mid_completion") {
        survives_in_mid_completion(Server::Minio).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ceph_in_mid_upload() {
    if docker::wanted("outages::ceph_in_mid_upload") {
        survives_in_mid_upload(Server::Ceph).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ceph_in_mid_completion() {
    if docker::wanted("outages::ceph_in_mid_completion") {
        survives_in_mid_completion(Server::Ceph).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs_in_mid_upload() {
    if docker::wanted("outages::seaweedfs_in_mid_upload") {
        survives_in_mid_upload(Server::SeaweedFs).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs_in_mid_completion() {
    if docker::wanted("outages::seaweedfs_in_mid_completion") {
        survives_in_mid_completion(Server::SeaweedFs).await;
    }
}
