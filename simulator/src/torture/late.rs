//! A process that starts late: its runtime has read the state, and another session runs before it
//! is there.

use std::sync::Arc;
use std::time::Duration;

use materialize_s3_parquet::protocol::materialize::{Request, request};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::leave::ZOMBIE_LIFE;
use super::plan::What;
use super::script::Script;
use super::session::Playing;
use super::world::{PATIENCE, World};
use crate::runtime::{Connector, Launch, Result};

/// How long it goes on after it has acknowledged: long enough to throw away what it takes for left
/// behind.
const LINGERS: Duration = Duration::from_millis(100);

impl Playing<'_> {
    /// The state was read, and nobody starts the process until a successor takes a step.
    pub(super) fn delay(&mut self, script: Script, open: request::Open) {
        let Some(What::Freeze { until, .. }) = script.left.map(|incident| incident.what) else {
            // Nothing happens to a process that has not been started, but that it is started late.
            return;
        };
        self.events.extend(script.events);
        let incarnation = self.incarnation();
        let woken = self.group.sleepers.add(until);
        let world = Arc::clone(&self.cast.world);
        self.cast.world.haunt(async move {
            let late = start(&world, incarnation, open, woken);
            // Whatever comes of it, it is fenced off.
            let _ = timeout(ZOMBIE_LIFE, late).await;
        });
    }
}

/// Starts the process once woken, and has it do what a session begins with.
async fn start(
    world: &World,
    incarnation: u64,
    open: request::Open,
    woken: oneshot::Receiver<()>,
) -> Result<()> {
    let _ = woken.await;
    let launch: &dyn Launch = &world.command;
    let (mut connector, _) = Connector::start(launch, incarnation, PATIENCE, &mut ()).await?;
    let open = Request {
        open: Some(open),
        ..Request::default()
    };
    let acknowledge = Request {
        acknowledge: Some(request::Acknowledge::default()),
        ..Request::default()
    };
    connector.feed(&open).await?;
    connector.send(&acknowledge).await?;
    connector
        .expect("Opened", |response| response.opened)
        .await?;
    connector
        .expect("Acknowledged", |response| response.acknowledged)
        .await?;
    sleep(LINGERS).await;
    connector.close_input().await;
    connector.drain().await?;
    Ok(())
}
