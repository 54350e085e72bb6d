//! Several shards: who takes part in what.

use super::*;

/// Plays one session of three shards that share a recovery log.
async fn play_three(codec: Codec, flaw: Flaw, kill_at: Option<Step>) -> Played {
    let shards = Shard::split(3);
    let transactions = [transaction(60), transaction(0)];
    play_shards(Runtime::V2, codec, flaw, &transactions, kill_at, shards).await
}

fn count(played: &Played, what: &str) -> usize {
    played
        .seen
        .iter()
        .filter(|request| name(request) == what)
        .count()
}

#[tokio::test]
async fn all_shards_take_part_in_every_transaction_and_the_first_applies() {
    for codec in [Codec::Proto, Codec::Json] {
        let played = play_three(codec, Flaw::None, None).await;
        played.outcome.as_ref().unwrap();
        assert_eq!(count(&played, "apply"), 1);
        let opens = played.seen.iter().filter_map(|seen| seen.open.as_ref());
        let begins: Vec<u32> = opens
            .map(|open| open.range.as_ref().unwrap().key_begin)
            .collect();
        assert_eq!(begins.len(), 3);
        for shard in Shard::split(3) {
            assert!(begins.contains(&shard.range.begin), "{begins:?}");
        }
        // One recovery acknowledge, and one between the two commits; the last is for the next
        // session.
        assert_eq!(count(&played, "acknowledge"), 2 * 3);
        assert_eq!(count(&played, "flush"), 2 * 3);
        assert_eq!(count(&played, "startCommit"), 2 * 3);
        // Every row once.
        assert_eq!(count(&played, "store"), 60);
        assert_eq!(played.log.committed, 2);
        assert_eq!(played.log.checkpoint.sources["c;suffix"].read_through, 60);
    }
}

#[tokio::test]
async fn every_shard_hears_the_patches_of_all() {
    let played = play_three(Codec::Proto, Flaw::None, None).await;
    let acknowledges = played
        .seen
        .iter()
        .filter_map(|seen| seen.acknowledge.as_ref());
    let patches: Vec<serde_json::Value> = acknowledges
        .filter(|acknowledge| !acknowledge.state_patches_json.is_empty())
        .map(|acknowledge| serde_json::from_slice(&acknowledge.state_patches_json).unwrap())
        .collect();
    assert_eq!(patches.len(), 3);
    let staged = |patch: &serde_json::Value| patch["staged"].as_u64().unwrap();
    for heard in &patches {
        let all = heard.as_array().unwrap();
        assert_eq!(all.len(), 3, "{heard}");
        assert_eq!(all.iter().map(staged).sum::<u64>(), 60);
        assert!(all.iter().all(|patch| staged(patch) > 0), "{heard}");
    }
}

#[tokio::test]
async fn a_shard_that_fails_ends_the_session_of_all() {
    let played = play_three(Codec::Proto, Flaw::FailsAtStartCommit, None).await;
    assert!(matches!(played.outcome, Err(Error::Failed { .. })));
    assert_eq!(played.log.committed, 0);
    let committed = Step::Committed { transaction: 0 };
    let played = play_three(Codec::Proto, Flaw::None, Some(committed)).await;
    assert!(matches!(played.outcome, Err(Error::Killed(at)) if at == committed));
    assert_eq!(played.log.committed, 1);
}
