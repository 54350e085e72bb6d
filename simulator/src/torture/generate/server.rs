//! The server of a plan: whose manners it has, and what goes wrong there.

use super::super::plan::{Commit, Server};
use super::{Concern, generator, one, percent};
use crate::s3::{Attempts, Effect, Fault, KeyPattern, Manners, Operation};

/// Of a thousand requests, how many a fault strikes that fails the session.
const FATAL: u16 = 300;

/// The server of a seed, for a task that makes files visible so.
pub(super) fn server(seed: u64, commit: Commit) -> Server {
    let random = &mut generator(seed, Concern::Manners);
    let manners = one(random, &[&Manners::ALL[..], &[Manners::Minio]].concat());
    let copies = match commit {
        Commit::Auto => manners == Manners::Minio,
        Commit::Multipart => false,
        Commit::Copy => true,
    };
    let visible = if copies {
        Operation::CopyObject
    } else {
        Operation::CompleteMultipartUpload
    };
    let faults = &mut generator(seed, Concern::Faults);
    let count = one(faults, &[0, 1, 1, 2, 2, 3]);
    let mut faults: Vec<Fault> = (0..count).map(|_| fault(faults, visible)).collect();
    if percent(random, 40) {
        // So that a connector that is killed while it makes files visible is in the middle of some.
        let milliseconds = random.u64(3..=20);
        let slow = [
            Operation::CopyObject,
            Operation::CompleteMultipartUpload,
            Operation::DeleteObject,
        ];
        faults.extend(slow.map(|operation| Fault::on(operation, Effect::Latency { milliseconds })));
    }
    let versioned = percent(random, 20);
    if percent(random, 10) {
        // What is staged must outlive a session that may not make it visible.
        faults.push(Fault {
            attempts: Attempts::only(1),
            per_mille: FATAL,
            ..Fault::on(visible, Effect::AccessDenied)
        });
    }
    Server {
        manners,
        versioned,
        faults,
    }
}

/// A fault that a connector must stand, or one that fails the session; never one that no connector
/// could stand. `visible` makes a task's files visible.
fn fault(random: &mut fastrand::Rng, visible: Operation) -> Fault {
    let operation = one(
        random,
        &[
            Operation::CreateMultipartUpload,
            Operation::UploadPart,
            Operation::CompleteMultipartUpload,
            Operation::CopyObject,
            visible,
            visible,
            visible,
            visible,
            Operation::PutObject,
            Operation::GetObject,
            Operation::HeadObject,
            Operation::DeleteObject,
            Operation::AbortMultipartUpload,
            Operation::ListMultipartUploads,
            Operation::ListObjectsV2,
        ],
    );
    let (key, most) = keys(random, operation);
    let effect = effect(random, operation);
    Fault {
        key,
        attempts: if is_fatal(&effect) {
            Attempts::only(1)
        } else {
            Attempts::up_to(random.u32(1..=most))
        },
        per_mille: if is_fatal(&effect) {
            FATAL
        } else {
            one(random, &[150, 500, 1000])
        },
        ..Fault::on(operation, effect)
    }
}

/// The keys that a fault strikes, and how often at most. Apply tries some things twice, a session
/// all of them eight times.
fn keys(random: &mut fastrand::Rng, operation: Operation) -> (KeyPattern, u32) {
    let is_of_bucket = matches!(
        operation,
        Operation::ListMultipartUploads | Operation::ListObjectsV2
    );
    if is_of_bucket || percent(random, 30) {
        return (KeyPattern::Any, 1);
    }
    let is_of_receipts = match operation {
        Operation::GetObject => true,
        Operation::PutObject => random.bool(),
        _ => false,
    };
    let name = if is_of_receipts {
        ".receipt"
    } else {
        ".parquet"
    };
    (KeyPattern::Contains(name.to_owned()), 5)
}

fn is_fatal(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::ExpireUpload | Effect::ExpireSource | Effect::AccessDenied
    )
}

fn effect(random: &mut fastrand::Rng, operation: Operation) -> Effect {
    let milliseconds = random.u64(1..=30);
    let mut effects = vec![
        Effect::Latency { milliseconds },
        Effect::InternalError,
        Effect::SlowDown,
        Effect::ResetBefore,
        Effect::ResetAfter,
        Effect::SlowBody { milliseconds },
        Effect::AccessDenied,
    ];
    // A receipt that is written late would take back what a later one says.
    if operation != Operation::PutObject {
        effects.push(Effect::ResetThenDone { milliseconds });
    }
    match operation {
        Operation::CompleteMultipartUpload | Operation::CopyObject => {
            effects.extend([
                Effect::ErrorInBody,
                Effect::ResetAfter,
                Effect::ResetAfter,
                Effect::ResetThenVisible { milliseconds },
            ]);
        }
        _ => {}
    }
    match operation {
        Operation::CopyObject => effects.push(Effect::ExpireSource),
        Operation::UploadPart => effects.push(Effect::ExpireUpload),
        _ => {}
    }
    let index = random.usize(..effects.len());
    effects.swap_remove(index)
}
