//! Several futures at once, on one task: the shards of a session, each with a process of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future in its place, or what it came to.
enum Slot<F: Future> {
    Running(Pin<Box<F>>),
    Done(Option<F::Output>),
}

impl<F: Future> Slot<F> {
    fn new(future: F) -> Self {
        Self::Running(Box::pin(future))
    }

    /// Goes on with it. Whether it still runs.
    fn is_running(&mut self, context: &mut Context<'_>) -> bool {
        let Self::Running(future) = self else {
            return false;
        };
        match future.as_mut().poll(context) {
            Poll::Ready(output) => {
                *self = Self::Done(Some(output));
                false
            }
            Poll::Pending => true,
        }
    }

    /// What it came to, once.
    fn take(&mut self) -> Option<F::Output> {
        match self {
            Self::Running(_) => None,
            Self::Done(output) => output.take(),
        }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Slot<F> {
    /// The error that it came to.
    fn take_error(&mut self) -> Option<E> {
        match self {
            Self::Done(output @ Some(Err(_))) => output.take().and_then(Result::err),
            _ => None,
        }
    }
}

/// Runs futures at the same time until all have ended, or one with an error: the others are dropped
/// then. Returns what they came to, in their order, or the error.
pub async fn together_while_ok<F, T, E>(futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut slots: Vec<Slot<F>> = futures.into_iter().map(Slot::new).collect();
    poll_fn(|context| {
        let mut is_running = false;
        for slot in &mut slots {
            if slot.is_running(context) {
                is_running = true;
            } else if let Some(error) = slot.take_error() {
                return Poll::Ready(Err(error));
            }
        }
        if is_running {
            return Poll::Pending;
        }
        Poll::Ready(slots.iter_mut().filter_map(Slot::take).collect())
    })
    .await
}

/// Runs futures at the same time until all have ended. Returns what they came to, in their order.
pub(super) async fn together<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future,
{
    let mut slots: Vec<Slot<F>> = futures.into_iter().map(Slot::new).collect();
    poll_fn(|context| {
        let mut is_running = false;
        for slot in &mut slots {
            is_running |= slot.is_running(context);
        }
        if is_running {
            return Poll::Pending;
        }
        Poll::Ready(slots.iter_mut().filter_map(Slot::take).collect())
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_error_ends_all() {
        let began = Instant::now();
        let wait = |seconds| async move {
            sleep(Duration::from_secs(seconds)).await;
            if seconds == 2 {
                Err("two")
            } else {
                Ok(seconds)
            }
        };
        assert_eq!(together_while_ok([30, 2, 1].map(wait)).await, Err("two"));
        assert_eq!(began.elapsed().as_secs(), 2);
        assert_eq!(together_while_ok([3, 1].map(wait)).await, Ok(vec![3, 1]));
    }

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
