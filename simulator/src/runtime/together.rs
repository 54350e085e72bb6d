//! Several futures at once, on one task: the shards of a session, each with a process of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// A future in its place, or what it came to.
enum Slot<F: Future> {
    Running(Pin<Box<F>>),
    Done(Option<F::Output>),
}

/// Runs futures at the same time until all have ended. Returns what they came to, in their order.
pub async fn together<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future,
{
    let mut slots: Vec<Slot<F>> = futures
        .into_iter()
        .map(|future| Slot::Running(Box::pin(future)))
        .collect();
    poll_fn(|context| {
        let mut is_running = false;
        for slot in &mut slots {
            if let Slot::Running(future) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *slot = Slot::Done(Some(output)),
                    Poll::Pending => is_running = true,
                }
            }
        }
        if is_running {
            return Poll::Pending;
        }
        let outputs = slots.iter_mut().filter_map(|slot| match slot {
            Slot::Running(_) => None,
            Slot::Done(output) => output.take(),
        });
        Poll::Ready(outputs.collect())
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_run_at_once_and_come_out_in_their_order() {
        let began = Instant::now();
        let wait = |seconds| async move {
            sleep(Duration::from_secs(seconds)).await;
            seconds
        };
        assert_eq!(together([3, 1, 2].map(wait)).await, [3, 1, 2]);
        assert_eq!(began.elapsed().as_secs(), 3);
        assert!(together(Vec::new().into_iter().map(wait)).await.is_empty());
    }
}
