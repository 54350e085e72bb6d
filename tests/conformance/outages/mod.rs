//! Outages of servers with the real connector running: in mid-upload and in mid-completion the server is killed and comes
//! back, or takes requests and does not answer them for a while. Nothing is lost, nothing doubled: what is read back is what was sent.

mod trigger;
mod victim;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flow_sim::run::{Options, Store, run};

use crate::docker;
use crate::servers::{Server, bucket, connector};
use trigger::{Moment, Trigger};
use victim::{Outage, Victim};

/// How long an outage lasts. A server that was killed takes longer, until it is ready again.
const LENGTH: Duration = Duration::from_secs(2);

/// The documents of the catalog with one binding: 30 MB, in row groups of one part each.
const LARGE: Catalog = Catalog {
    moment: Moment::Upload,
    bindings: 1,
    documents: 3_000,
};

/// Many small files, so that their completions take longer than it takes to hurt a server.
const WIDE: Catalog = Catalog {
    moment: Moment::Completion,
    bindings: 100,
    documents: 1,
};

/// A catalog that materializes one collection of noise a number of times, with so many documents in each of two transactions, and
/// what it is good for.
#[derive(Clone, Copy)]
struct Catalog {
    moment: Moment,
    bindings: usize,
    documents: usize,
}

impl Catalog {
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
        let documents = 2 * self.documents;
        let recipe = format!(
            "{{collection: noise, generator: noise, seed: 1, documents: {documents}, transactions: 2, sessions: 1}}"
        );
        std::fs::write(folder.join("flow.yaml"), catalog).unwrap();
        std::fs::write(folder.join("fixture.yaml"), recipe).unwrap();
    }
}

fn options(victim: &Victim, folder: &Path, command: Vec<String>) -> Options {
    Options {
        store: Store::At(victim.location()),
        bucket: Some(bucket("outage")),
        connector: Some(command),
        restarts: 20,
        patience: Duration::from_mins(3),
        ..Options::new(folder.join("flow.yaml"))
    }
}

/// Plays a catalog while the server has an outage at that moment. What is read back must be what was sent.
async fn survives(victim: &Arc<Victim>, catalog: Catalog, outage: Outage) -> Trigger {
    survives_with(
        vec![connector().display().to_string()],
        victim,
        catalog,
        outage,
    )
    .await
}

async fn survives_with(
    command: Vec<String>,
    victim: &Arc<Victim>,
    catalog: Catalog,
    outage: Outage,
) -> Trigger {
    let folder = tempfile::tempdir().unwrap();
    catalog.write(folder.path());
    let options = options(victim, folder.path(), command);
    let mut trigger = Trigger::new(victim, &options, catalog.moment, outage);
    let what = format!("{:?} {outage:?}", catalog.moment);
    let report = run(&options, &mut trigger)
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    trigger.healed().await;
    let difference = report.differences().next();
    assert!(difference.is_none(), "{what}: {difference:?}");
    assert_eq!(report.recovery.committed, 2);
    for binding in &report.bindings {
        assert_eq!(binding.equal_rows, 2 * catalog.documents as u64);
    }
    trigger
}

async fn survives_in_mid_upload(server: Server) {
    let victim = Arc::new(Victim::start(server).await);
    for outage in [Outage::Kill, Outage::Pause] {
        let trigger = survives(&victim, LARGE, outage).await;
        // The connector's own patience has sufficed.
        assert_eq!(trigger.failures, [""; 0], "{server:?} {outage:?}");
    }
}

async fn survives_in_mid_completion(server: Server) {
    let victim = Arc::new(Victim::start(server).await);
    for outage in [Outage::Kill, Outage::Pause] {
        let trigger = survives(&victim, WIDE, outage).await;
        assert_eq!(trigger.failures, [""; 0], "{server:?} {outage:?}");
        let (before, after) = trigger.objects_before_and_after().await;
        // It was in the middle of the first transaction's files.
        assert_eq!(before + after, 2 * WIDE.bindings);
        let middle = 1..WIDE.bindings;
        assert!(middle.contains(&before), "{server:?} {outage:?}: {before}");
    }
}

/// A connector that has lost its patience says what is wrong, and is started anew until the server is there again.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_outlasts_the_retries_is_a_clear_error_and_the_next_session_goes_on() {
    let victim = Arc::new(Victim::start(Server::Embedded).await);
    for catalog in [LARGE, WIDE] {
        let impatient = ["env", "FLOW_SIM_HASTE=100"].map(str::to_owned);
        let command = [&impatient[..], &[connector().display().to_string()]].concat();
        let trigger = survives_with(command, &victim, catalog, Outage::Kill).await;
        let failure = trigger.failures.first().expect("it has failed");
        let endpoint = victim.location().endpoint;
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
