//! Completions whose clients go away.

use std::time::Duration;

use super::signer::send_by_hand;
use super::*;
use crate::s3::{
    Attributes, Completing, Content, Effect, Entry, Fault, FaultPlan, Manners, PartClaim,
    StoreError, UploadRef,
};

/// A server with these manners that loses so many of a thousand completions.
async fn losing(manners: Manners, lost_per_mille: u16) -> Server {
    let rules = Rules {
        completing: Completing {
            milliseconds: 30,
            lost_per_mille,
        },
        ..manners.rules()
    };
    Server::start(Options { rules, ..options() }).await.unwrap()
}

/// An upload with one part, ready to be completed.
struct Staged {
    key: String,
    upload_id: String,
    claim: PartClaim,
}

impl Staged {
    fn new(server: &Server, key: &str) -> Self {
        let now = Timestamp::from_second(0).unwrap();
        server.with_store(|store| {
            let begun = store.create_upload(BUCKET, key, Attributes::default(), None, now);
            let upload_id = begun.unwrap();
            let upload = UploadRef {
                bucket: BUCKET,
                key,
                upload_id: &upload_id,
            };
            let part = store.put_part(upload, 1, Content::of("rows"), now).unwrap();
            let claim = PartClaim {
                number: 1,
                etag: part.etag(),
                checksum: None,
            };
            Self {
                key: key.to_owned(),
                upload_id,
                claim,
            }
        })
    }

    /// Asks for the completion by hand, and waits for the answer or hangs up.
    async fn complete(&self, server: &Server, waits: bool) -> (u16, String) {
        let body = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></\
             CompleteMultipartUpload>",
            self.claim.etag
        );
        let query = format!("uploadId={}", self.upload_id);
        let resource = ("POST", format!("/{BUCKET}/{}", self.key), query.as_str());
        let length = (!waits).then_some(body.len());
        send_by_hand(server, &resource, "UNSIGNED-PAYLOAD", &[], &body, length).await
    }

    /// What becomes of a completion later on.
    fn complete_later(&self, server: &Server) -> Result<(), StoreError> {
        server.with_store(|store| {
            let upload = UploadRef {
                bucket: BUCKET,
                key: &self.key,
                upload_id: &self.upload_id,
            };
            let now = Timestamp::from_second(9).unwrap();
            let claims = std::slice::from_ref(&self.claim);
            store.complete_upload(upload, claims, false, now).map(drop)
        })
    }

    fn is_visible(&self, server: &Server) -> bool {
        server.with_store(|store| store.object(BUCKET, &self.key).is_ok())
    }

    fn is_lost(&self, server: &Server) -> bool {
        let name = (self.key.clone(), self.upload_id.clone());
        server.with_store(|store| store.lost_uploads(BUCKET).unwrap().contains(&name))
    }
}

/// The journal once there are so many requests and all have ended.
async fn settled(server: &Server, count: usize) -> Vec<Entry> {
    for _ in 0..1000 {
        let journal = server.journal();
        let is_open = |entry: &Entry| entry.outcome == Outcome::Open;
        if journal.len() == count && !journal.iter().any(is_open) {
            return journal;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the journal never settled: {:?}", server.journal());
}

#[tokio::test]
async fn a_completion_whose_client_goes_away_is_lost_for_ever_on_minio() {
    let server = losing(Manners::Minio, 1000).await;
    let staged = Staged::new(&server, "k");
    staged.complete(&server, false).await;
    assert_eq!(settled(&server, 1).await[0].outcome, Outcome::Lost);
    assert!(staged.is_lost(&server) && !staged.is_visible(&server));
    let (status, answer) = staged.complete(&server, true).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer.contains("InvalidPart"), "{answer}");
    assert!(!staged.is_visible(&server));
}

#[tokio::test]
async fn a_client_that_waits_loses_nothing() {
    let server = losing(Manners::Minio, 1000).await;
    let staged = Staged::new(&server, "k");
    let (status, answer) = staged.complete(&server, true).await;
    assert_eq!(status, 200, "{answer}");
    assert!(staged.is_visible(&server) && !staged.is_lost(&server));
}

#[tokio::test]
async fn other_servers_carry_a_completion_through_without_its_client() {
    for manners in [Manners::Aws, Manners::Ceph, Manners::Gcs] {
        let lost_per_mille = manners.rules().completing.lost_per_mille;
        let server = losing(manners, lost_per_mille).await;
        let staged = Staged::new(&server, "k");
        staged.complete(&server, false).await;
        settled(&server, 1).await;
        assert!(staged.is_visible(&server), "{manners:?}");
        assert!(!staged.is_lost(&server), "{manners:?}");
    }
}

#[tokio::test]
async fn about_half_is_lost_and_the_seed_decides_which() {
    let play = async || {
        let server = losing(Manners::Minio, 500).await;
        let staged: Vec<Staged> = (0..40)
            .map(|number| Staged::new(&server, &format!("k{number}")))
            .collect();
        for staged in &staged {
            staged.complete(&server, false).await;
        }
        settled(&server, staged.len()).await;
        for staged in &staged {
            assert_ne!(staged.is_lost(&server), staged.is_visible(&server));
            let expected = StoreError::InvalidPart { number: 1 };
            if staged.is_lost(&server) {
                assert_eq!(staged.complete_later(&server), Err(expected));
            }
        }
        let lost = staged.iter().map(|staged| staged.is_lost(&server));
        lost.collect::<Vec<bool>>()
    };
    let first = play().await;
    let count = first.iter().filter(|lost| **lost).count();
    assert!((10..30).contains(&count), "{count}");
    assert_eq!(play().await, first);
}

/// It is the fault that decides then, and it says that the completion is done.
#[tokio::test]
async fn a_completion_whose_connection_a_fault_closes_is_not_lost() {
    for effect in [
        Effect::ResetAfter,
        Effect::ResetThenDone { milliseconds: 5 },
    ] {
        let server = losing(Manners::Minio, 1000).await;
        server.set_faults(FaultPlan {
            seed: 0,
            faults: vec![Fault::on(Operation::CompleteMultipartUpload, effect)],
        });
        let staged = Staged::new(&server, "k");
        staged.complete(&server, true).await;
        assert_eq!(settled(&server, 1).await[0].outcome, Outcome::Reset);
        for _ in 0..1000 {
            if staged.is_visible(&server) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(staged.is_visible(&server) && !staged.is_lost(&server));
    }
}
