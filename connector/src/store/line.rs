//! The time that transfers may take: what the bytes on their way need on a slow line.
//!
//! All transfers of a store share its line. An attempt that has not ended when all the bytes that
//! were on their way beside it should have arrived has failed; then fewer transfers run at once,
//! and each may take longer, until some have come through.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The transfers that run at once while none has taken too long.
const AT_ONCE: usize = 16;

/// The times that their number is halved, and their time doubled, at most.
const MOST_HALVINGS: u32 = 4;

/// The transfers in a row that come through before one halving is undone.
const CALM: u32 = 32;

/// The line to a store, which all its transfers in one direction share.
#[derive(Debug)]
pub(super) struct Line {
    bytes_per_second: u64,
    traffic: Mutex<Traffic>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Traffic {
    running: usize,
    bytes: u64,
    halvings: u32,
    /// The transfers that came through since the last halving.
    calm: u32,
}

/// A transfer that is on its way; dropping it makes room for another.
struct OnItsWay<'a> {
    line: &'a Line,
    bytes: u64,
}

impl Line {
    /// A line that carries `bytes_per_second`, at least.
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            traffic: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Runs one attempt of a transfer of `bytes`, which may take `least` longer than the line needs
    /// for all that is on its way. Returns `None` where it took too long.
    pub(super) async fn attempt<T, E>(
        &self,
        bytes: u64,
        least: Duration,
        attempt: impl Future<Output = Result<T, E>>,
    ) -> Option<Result<T, E>> {
        let _on_its_way = self.enter(bytes).await;
        let began = Instant::now();
        let halvings = self.traffic().halvings;
        tokio::pin!(attempt);
        let mut until = began + self.allowance(least, halvings);
        loop {
            tokio::select! {
                biased;
                outcome = &mut attempt => {
                    if outcome.is_ok() {
                        self.came_through();
                    }
                    return Some(outcome);
                }
                () = sleep_until(until) => {}
            }
            // Others may have set out after it did, and share the line with it.
            let longer = until.max(began + self.allowance(least, halvings));
            if longer == until {
                self.took_too_long(halvings);
                return None;
            }
            until = longer;
        }
    }

    async fn enter(&self, bytes: u64) -> OnItsWay<'_> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut traffic = self.traffic();
                if traffic.running < AT_ONCE >> traffic.halvings {
                    traffic.running += 1;
                    traffic.bytes += bytes;
                    return OnItsWay { line: self, bytes };
                }
            }
            changed.await;
        }
    }

    fn allowance(&self, least: Duration, halvings: u32) -> Duration {
        let bytes = self.traffic().bytes;
        let needed = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        (least + needed) * (1 << halvings)
    }

    /// Halves once for all transfers that were on their way together.
    fn took_too_long(&self, halvings: u32) {
        let mut traffic = self.traffic();
        if traffic.halvings == halvings {
            traffic.halvings = (halvings + 1).min(MOST_HALVINGS);
        }
        traffic.calm = 0;
    }

    fn came_through(&self) {
        let mut traffic = self.traffic();
        traffic.calm += 1;
        if traffic.calm >= CALM {
            traffic.calm = 0;
            traffic.halvings = traffic.halvings.saturating_sub(1);
        }
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock()
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        let mut traffic = self.line.traffic();
        traffic.running -= 1;
        traffic.bytes -= self.bytes;
        drop(traffic);
        self.line.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;

    const MIB: u64 = 1 << 20;
    const MINUTE: Duration = Duration::from_mins(1);
    const LINE: u64 = 70_000;

    /// What arrives after a while.
    async fn arrive(after: Duration) -> Result<(), ()> {
        sleep(after).await;
        Ok(())
    }

    /// What never arrives.
    fn hanging() -> std::future::Pending<Result<(), ()>> {
        std::future::pending()
    }

    /// Transfers that share a line of `bytes_per_second` evenly, as TCP does.
    async fn share(bytes_per_second: u64, transfers: u64, bytes: u64) -> Vec<Option<Duration>> {
        let line = Arc::new(Line::new(LINE));
        let mut running = JoinSet::new();
        for _ in 0..transfers {
            let line = Arc::clone(&line);
            let needed = Duration::from_secs(transfers * bytes / bytes_per_second);
            running.spawn(async move {
                let began = Instant::now();
                let ended = line.attempt(bytes, MINUTE, arrive(needed)).await;
                ended.map(|_| began.elapsed())
            });
        }
        running.join_all().await
    }

    #[tokio::test(start_paused = true)]
    async fn six_parts_get_through_a_line_of_a_hundred_kilobytes_a_second() {
        let taken = share(100_000, 6, 8 * MIB).await;
        assert!(taken.iter().all(Option::is_some), "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_alone_is_given_up_soon() {
        let line = Line::new(LINE);
        let began = Instant::now();
        let ended = line.attempt(20_000, MINUTE, hanging()).await;
        assert_eq!(ended, None);
        assert!(began.elapsed() < 2 * MINUTE, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn after_one_took_too_long_fewer_run_at_once_and_longer_until_many_came_through() {
        let line = Line::new(LINE);
        assert_eq!(line.attempt(0, MINUTE, hanging()).await, None);
        let halvings = line.traffic().halvings;
        assert_eq!(line.allowance(MINUTE, halvings), 2 * MINUTE);
        let mut inside = Vec::new();
        for _ in 0..AT_ONCE / 2 {
            inside.push(line.enter(0).await);
        }
        assert!(
            tokio::time::timeout(MINUTE, line.enter(0)).await.is_err(),
            "there is no room for another"
        );
        drop(inside);
        for _ in 0..CALM {
            line.attempt(0, MINUTE, arrive(Duration::ZERO)).await;
        }
        assert_eq!(line.traffic().halvings, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_always_runs() {
        let line = Line::new(LINE);
        for _ in 0..10 {
            assert_eq!(line.attempt(0, MINUTE, hanging()).await, None);
        }
        let arrived = line.attempt(0, MINUTE, arrive(Duration::ZERO)).await;
        assert_eq!(arrived, Some(Ok(())));
    }

    /// What hangs together fails together, and is told as one trouble.
    #[tokio::test(start_paused = true)]
    async fn sixteen_that_hang_are_given_up_at_the_same_time() {
        let line = Arc::new(Line::new(LINE));
        let began = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..AT_ONCE {
            let line = Arc::clone(&line);
            running.spawn(async move { line.attempt(0, MINUTE, hanging()).await });
        }
        assert!(running.join_all().await.iter().all(Option::is_none));
        assert_eq!(began.elapsed(), MINUTE);
        assert_eq!(line.traffic().halvings, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_does_not_say_that_the_line_is_well() {
        let line = Line::new(LINE);
        assert_eq!(line.attempt(0, MINUTE, hanging()).await, None);
        for _ in 0..CALM {
            line.attempt(0, MINUTE, async { Err::<(), _>(503) }).await;
        }
        assert_eq!(line.traffic().halvings, 1);
    }
}
