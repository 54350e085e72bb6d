//! How work grows with the number of fields, for tests.

use std::time::Duration;

use tokio::time::Instant;

const FIELDS: usize = 2_000;

/// Asserts that `work` takes less than three hundred times as long for thirty times as many fields.
/// It would take nine hundred times as long if it searched all of them for each.
pub(crate) fn assert_no_search(work: impl Fn(usize)) {
    let fastest = |fields: usize| {
        let once = |_| {
            let began = Instant::now();
            work(fields);
            began.elapsed()
        };
        (0..3).map(once).min().unwrap_or(Duration::MAX)
    };
    let (few, many) = (fastest(FIELDS), fastest(30 * FIELDS));
    assert!(
        many < 300 * few,
        "{few:?} for {FIELDS} fields, {many:?} for thirty times as many"
    );
}
