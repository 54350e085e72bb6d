//! The phases as they are shown.

use super::super::document::Phase;

/// A phase as it is shown: its class, its name, and what it is.
pub(super) type Shown = (Phase, &'static str, &'static str, &'static str);

/// Every phase, in the order of a session.
pub(super) const PHASES: [Shown; 10] = [
    (
        Phase::Prepare,
        "prepare",
        "Prepare",
        "read, ask for Spec and Validate, combine",
    ),
    (Phase::Open, "open", "Open", "start, Apply, Open"),
    (
        Phase::Recover,
        "recover",
        "Recover",
        "complete what was committed before",
    ),
    (Phase::Flush, "flush", "Flush", "until Flushed"),
    (Phase::Store, "store", "Store", "rows are sent"),
    (
        Phase::Stage,
        "stage",
        "Stage",
        "StartCommit until the commit",
    ),
    (
        Phase::Complete,
        "complete",
        "Complete",
        "Acknowledge until Acknowledged",
    ),
    (
        Phase::Pace,
        "pace",
        "Pace",
        "the connector holds Acknowledged back",
    ),
    (
        Phase::Stop,
        "stop",
        "Stop",
        "end of input until the end of the process",
    ),
    (
        Phase::ReadBack,
        "read-back",
        "Read back",
        "fetch and compare",
    ),
];

/// A phase as it is shown.
pub(super) fn of_phase(phase: Phase) -> Shown {
    PHASES
        .into_iter()
        .find(|(other, ..)| *other == phase)
        .unwrap_or(PHASES[0])
}
