//! From a seed to a plan. Every concern draws from a generator of its own, so that a change to one
//! leaves the others as they were.

mod server;

use server::server;

use super::plan::{
    At, Binding, Change, Codec, Commit, End, Incident, Plan, Session, Transaction, What,
};
use crate::runtime::{Runtime, incarnation_seed};

/// How many bindings a task of many has.
const MANY: usize = 300;

/// What draws from a generator of its own.
#[derive(Clone, Copy)]
enum Concern {
    Shape,
    Faults,
    Changes,
    Transactions,
    Incidents,
    Ends,
    Size,
    Pacing,
    Manners,
    Places,
    SecondStack,
    Forgetting,
}

/// The plan of a seed; always the same.
pub fn generate(seed: u64) -> Plan {
    let mut shape = generator(seed, Concern::Shape);
    let runtime = if shape.bool() {
        Runtime::V1
    } else {
        Runtime::V2
    };
    let codec = if shape.bool() {
        Codec::Proto
    } else {
        Codec::Json
    };
    let size = size(&mut generator(seed, Concern::Size));
    let most = if matches!(size, Size::Many) { 2 } else { 5 };
    let count = shape.usize(1..=most);
    let mut bindings = bindings(&mut shape, size);
    if matches!(size, Size::Parts) {
        // A codec of a debug build takes minutes over them.
        for binding in &mut bindings {
            "none".clone_into(&mut binding.compression);
        }
    }
    let places = &mut generator(seed, Concern::Places);
    let commit = commit(places);
    Plan {
        seed,
        runtime,
        codec,
        keys: shape.u32(1..=16),
        // With the least limit a little makes several files; with a larger one, several parts.
        file_size_limit: if matches!(size, Size::Parts) {
            64 << 20
        } else {
            1 << 20
        },
        commit,
        staging_prefix: percent(places, 20).then(|| "stage/of".to_owned()),
        server: server(seed, commit),
        sessions: forgetting(seed, runtime, sessions(seed, count, bindings.len(), size)),
        bindings,
    }
}

fn generator(seed: u64, concern: Concern) -> fastrand::Rng {
    fastrand::Rng::with_seed(incarnation_seed(seed, concern as u64))
}

/// One of several.
fn one<T: Copy>(random: &mut fastrand::Rng, of: &[T]) -> T {
    of[random.usize(..of.len())]
}

/// One of two times, roughly so often in a hundred.
fn percent(random: &mut fastrand::Rng, chance: u8) -> bool {
    random.u8(..100) < chance
}

/// Up to three bindings, or many; the prefix of one lies below another's, and one has a date in it.
fn bindings(random: &mut fastrand::Rng, size: Size) -> Vec<Binding> {
    let few = ["x", "x/y", "z/%Y"].map(str::to_owned);
    let prefixes: Vec<String> = if matches!(size, Size::Many) {
        (0..MANY)
            .map(|number| format!("many/b{number:03}"))
            .collect()
    } else {
        few.into_iter().take(random.usize(1..=3)).collect()
    };
    let bindings = prefixes.into_iter().map(|prefix| Binding {
        prefix,
        compression: one(random, &["none", "snappy", "gzip", "lz4", "zstd"]).to_owned(),
        document: random.bool(),
    });
    bindings.collect()
}

fn commit(random: &mut fastrand::Rng) -> Commit {
    one(
        random,
        &[Commit::Auto, Commit::Auto, Commit::Multipart, Commit::Copy],
    )
}

fn sessions(seed: u64, count: usize, bindings: usize, size: Size) -> Vec<Session> {
    let changes = &mut generator(seed, Concern::Changes);
    let transactions = &mut generator(seed, Concern::Transactions);
    let incidents = &mut generator(seed, Concern::Incidents);
    let ends = &mut generator(seed, Concern::Ends);
    let pacing = &mut generator(seed, Concern::Pacing);
    let second_stack = &mut generator(seed, Concern::SecondStack);
    let session = |number: usize| {
        let transactions = self::transactions(transactions, size);
        let session = Session {
            changes: if number == 0 {
                first_changes(changes)
            } else {
                self::changes(changes, bindings)
            },
            incidents: self::incidents(incidents, transactions.len() as u32),
            transactions,
            end: one(
                ends,
                &[
                    End::Committed,
                    End::Committed,
                    End::AcknowledgeSent,
                    End::Acknowledged,
                ],
            ),
            second_stack: percent(second_stack, 15).then(|| Transaction {
                documents: second_stack.u32(0..=8),
                payload_bytes: 0,
            }),
            upload_interval: 0,
            forgets: false,
        };
        paced(pacing, session)
    };
    (0..count).map(session).collect()
}

/// The old runtime forgets now and then what was acknowledged last.
fn forgetting(seed: u64, runtime: Runtime, mut sessions: Vec<Session>) -> Vec<Session> {
    let random = &mut generator(seed, Concern::Forgetting);
    for session in &mut sessions {
        session.forgets = runtime == Runtime::V1 && percent(random, 40);
    }
    sessions
}

/// Some sessions have an upload interval: a short one, in haste 10 or 50 ms, or one during which
/// the session ends. Some others begin after a rule of the bucket has removed what was staged, or
/// are killed while they make files visible.
fn paced(random: &mut fastrand::Rng, mut session: Session) -> Session {
    match random.u8(..100) {
        0..20 => session.upload_interval = one(random, &[2, 10]),
        20..35 => {
            session.end = End::Waiting;
            session.transactions.push(Transaction {
                documents: random.u32(1..=8),
                payload_bytes: 0,
            });
            let kill = What::Kill {
                after_milliseconds: 0,
            };
            let what = [What::Terminate, What::CloseInput, kill];
            if random.bool() {
                session.incidents.push(Incident {
                    shard: random.usize(..3),
                    at: At::AcknowledgeSent,
                    nth: 1,
                    what: one(random, &what),
                });
            }
        }
        // Files are lost where this follows a commit, and torture must see enough of that.
        35..50 => session.changes.push(Change::Expire),
        50..70 => mid_commit(random, &mut session),
        _ => {}
    }
    session
}

/// Has a session be killed while it makes the files of its last transaction visible.
fn mid_commit(random: &mut fastrand::Rng, session: &mut Session) {
    session.end = End::Acknowledged;
    session.transactions.push(Transaction {
        documents: random.u32(4..=20),
        payload_bytes: 0,
    });
    session.incidents.push(Incident {
        shard: random.usize(..3),
        at: At::AcknowledgeSent,
        nth: session.transactions.len() as u32,
        what: What::Kill {
            after_milliseconds: random.u64(2..40),
        },
    });
}

/// What a task begins with.
fn first_changes(random: &mut fastrand::Rng) -> Vec<Change> {
    let mut changes = Vec::new();
    if percent(random, 30) {
        changes.push(Change::Split { shard: 0 });
    }
    if percent(random, 20) {
        changes.push(Change::Loader { runs: true });
    }
    changes
}

fn changes(random: &mut fastrand::Rng, bindings: usize) -> Vec<Change> {
    let count = one(random, &[0, 0, 1, 1, 2]);
    (0..count).map(|_| change(random, bindings)).collect()
}

fn change(random: &mut fastrand::Rng, bindings: usize) -> Change {
    let (shard, binding) = (random.usize(..3), random.usize(..bindings));
    let kinds = [
        Change::Split { shard },
        Change::Split { shard },
        Change::Merge { shard: shard / 2 },
        Change::Merge { shard: shard / 2 },
        Change::Remove { binding },
        Change::Restore { binding },
        Change::Backfill { binding },
        Change::Remake { same_name: true },
        Change::Remake {
            same_name: random.bool(),
        },
        Change::Expire,
        Change::LoseReceipts,
        Change::Commit {
            commit: commit(random),
        },
        Change::Proxy {
            runs: random.bool(),
        },
        Change::Bucket {
            second: random.bool(),
        },
        Change::Loader {
            runs: random.bool(),
        },
    ];
    one(random, &kinds)
}

/// How large transactions may be.
#[derive(Clone, Copy)]
enum Size {
    /// A few small rows.
    Small,
    /// Several files.
    Files,
    /// A file of several parts.
    Parts,
    /// A few small rows in each of many bindings.
    Many,
}

/// Large ones take their time, so there are few.
fn size(random: &mut fastrand::Rng) -> Size {
    match random.u8(..100) {
        0..3 => Size::Files,
        3 => Size::Parts,
        4 if random.bool() => Size::Many,
        _ => Size::Small,
    }
}

fn transactions(random: &mut fastrand::Rng, size: Size) -> Vec<Transaction> {
    let count = one(random, &[0, 1, 1, 2, 3]);
    (0..count).map(|_| transaction(random, size)).collect()
}

fn transaction(random: &mut fastrand::Rng, size: Size) -> Transaction {
    let small = Transaction {
        documents: one(random, &[0, 1, 3, 8, 20]),
        payload_bytes: random.u32(0..40),
    };
    let (documents, payload_bytes) = match size {
        Size::Files if random.bool() => (random.u32(8..=16), 200_000),
        Size::Parts if random.bool() => (random.u32(40..=60), 300_000),
        Size::Many => (random.u32(200..=400), 0),
        _ => return small,
    };
    Transaction {
        documents,
        payload_bytes,
    }
}

fn incidents(random: &mut fastrand::Rng, transactions: u32) -> Vec<Incident> {
    let count = one(random, &[0, 1, 1, 1, 2]);
    (0..count).map(|_| incident(random, transactions)).collect()
}

fn incident(random: &mut fastrand::Rng, transactions: u32) -> Incident {
    let at = one(random, &At::ALL);
    Incident {
        shard: random.usize(..3),
        at,
        nth: random.u32(..=transactions.min(2)),
        what: what(random, at),
    }
}

fn what(random: &mut fastrand::Rng, at: At) -> What {
    if at == At::StateRead {
        return What::Freeze {
            after_milliseconds: 0,
            until: one(random, &At::ALL),
        };
    }
    // Where the connector is at work, the moment of its end matters.
    let works = matches!(
        at,
        At::OpenSent | At::AcknowledgeSent | At::StartCommitSent | At::StoreSent
    );
    let after_milliseconds = if works { random.u64(0..40) } else { 0 };
    match random.u8(..10) {
        0..5 => What::Kill { after_milliseconds },
        5..8 => What::Freeze {
            after_milliseconds,
            until: one(random, &At::ALL),
        },
        8 => one(random, &[What::CloseInput, What::Terminate]),
        _ if works => What::Kill { after_milliseconds },
        _ => What::RevokeAccess,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::s3::Manners;

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_one_another() {
        assert_eq!(generate(7), generate(7));
        assert_ne!(
            Plan {
                seed: 8,
                ..generate(7)
            },
            generate(8)
        );
    }

    #[test]
    fn a_plan_is_data() {
        for seed in 0..50 {
            let plan = generate(seed);
            let text = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        }
    }

    #[test]
    fn in_the_long_run_everything_happens() {
        let plans: Vec<Plan> = (0..2_000).map(generate).collect();
        let incidents = || {
            plans
                .iter()
                .flat_map(|plan| &plan.sessions)
                .flat_map(|session| &session.incidents)
        };
        let crashes: BTreeSet<(&str, At)> = incidents()
            .map(|incident| (incident.what.name(), incident.at))
            .collect();
        // Access is revoked only where the connector rests: what it has done until then must not be
        // left to chance. And a process that has not been started can only be started late.
        assert_eq!(crashes.len(), 5 * (At::ALL.len() - 1) - 4 + 1);
        let effects = plans.iter().flat_map(|plan| &plan.server.faults);
        let effects: BTreeSet<_> = effects
            .map(|fault| std::mem::discriminant(&fault.effect))
            .map(|kind| format!("{kind:?}"))
            .collect();
        assert_eq!(effects.len(), 12);
        let changes = plans
            .iter()
            .flat_map(|plan| &plan.sessions)
            .flat_map(|session| &session.changes);
        let changes: BTreeSet<_> = changes
            .map(|change| format!("{:?}", std::mem::discriminant(change)))
            .collect();
        assert_eq!(changes.len(), 12);
        let servers: BTreeSet<_> = plans
            .iter()
            .map(|plan| (plan.server.manners.name(), plan.commit.name()))
            .collect();
        assert_eq!(servers.len(), Manners::ALL.len() * 3);
        assert!(plans.iter().any(|plan| plan.bindings.len() == MANY));
        let leave_to_chance = plans.iter().filter(|plan| plan.leaves_to_chance()).count();
        // What a loader, a rule or a server takes that loses completions depends on time; of a
        // third of the plans nothing does, and two runs are compared to the event.
        assert!(leave_to_chance < plans.len() * 3 / 4, "{leave_to_chance}");
        let paces: BTreeSet<_> = plans
            .iter()
            .flat_map(|plan| &plan.sessions)
            .map(|session| (session.upload_interval, session.end == End::Waiting))
            .collect();
        let expected = [(0, false), (0, true), (2, false), (10, false)];
        assert_eq!(paces, expected.into());
    }
}
