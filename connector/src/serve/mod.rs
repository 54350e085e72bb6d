//! The session loop: which request may come next, and who answers it.
//!
//! ```text
//! ( Spec | Validate | Apply )*  Open  ( Acknowledge  Flush  Store*  StartCommit )*  Acknowledge?  end of input
//! ```
//!
//! The end of input is an orderly stop everywhere but between Flush and StartedCommit.

use std::io::Write;
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::apply;
use crate::config::{EndpointConfig, endpoint_schema, resource_schema};
use crate::error::{Error, ErrorKind, Result};
use crate::pacing::{Pacing, Round};
use crate::protocol::materialize::response;
use crate::protocol::{Open, PROTOCOL_VERSION, Request, flow};
use crate::report;
use crate::requests::{End, Event, Requests};
use crate::responses::Responses;
use crate::stop::{Stop, stopped};
use crate::store::{ATTEMPTS, CHECK_ATTEMPTS, ObjectStore};
use crate::transactor::{Acknowledged, Environment, Opening, Transactor};
use crate::validate;

/// Where users read about this connector.
const DOCUMENTATION_URL: &str =
    "https://docs.estuary.dev/reference/Connectors/materialization-connectors/";

/// Answers requests until the runtime closes its pipe. `connect` makes a store of an endpoint's
/// configuration, which tries each operation a number of times; nothing is sent there by making it.
///
/// Errors are final: the session is over, and the process should end with status 1.
pub async fn serve<S: ObjectStore, W: Write>(
    mut requests: Requests,
    mut responses: Responses<W>,
    connect: impl Fn(&EndpointConfig, u32) -> S,
    mut environment: Environment,
) -> Result<()> {
    let stop = requests.stop();
    loop {
        let request = match requests.next().await? {
            Event::End(_) => return Ok(()),
            Event::Request(request) => request,
        };
        match request {
            Request::Spec(_) => responses.spec(spec())?,
            Request::Validate(request) => {
                let (endpoint, store) = connected(&request.config_json, &connect, CHECK_ATTEMPTS)?;
                let validated = tokio::select! {
                    () = stop.requested() => return Ok(()),
                    validated = validate::validate(&request, &endpoint, &store, &mut environment) => validated?,
                };
                responses.validated(validated)?;
            }
            Request::Apply(request) => {
                let materialization = given(request.materialization.as_ref())?;
                let (endpoint, store) =
                    connected(&materialization.config_json, &connect, CHECK_ATTEMPTS)?;
                let last = request.last_materialization.as_ref();
                let applied = tokio::select! {
                    () = stop.requested() => return Ok(()),
                    applied = apply::apply(materialization, last, &endpoint, &store, &mut environment) => applied?,
                };
                responses.applied(applied)?;
            }
            Request::Open(request) => {
                let session = tokio::select! {
                    () = stop.requested() => return Ok(()),
                    session = open(&request, &connect, environment, stop.clone()) => session?,
                };
                // A specification of many fields takes much memory, and the session has what it
                // needs of it.
                drop(request);
                return session.run(requests, responses).await;
            }
            other => return Err(unexpected(&other, "Spec, Validate, Apply or Open")),
        }
    }
}

fn spec() -> response::Spec {
    response::Spec {
        protocol: PROTOCOL_VERSION,
        config_schema_json: endpoint_schema().to_string().into(),
        resource_config_schema_json: resource_schema().to_string().into(),
        documentation_url: DOCUMENTATION_URL.to_owned(),
        oauth2: None,
    }
}

/// Reads the endpoint's configuration and makes its store.
fn connected<S>(
    config: &[u8],
    connect: impl Fn(&EndpointConfig, u32) -> S,
    attempts: u32,
) -> Result<(EndpointConfig, S)> {
    let parsed = EndpointConfig::from_json(config)?;
    for warning in &parsed.warnings {
        warn!("{warning}");
    }
    let store = connect(&parsed.config, attempts);
    Ok((parsed.config, store))
}

/// The specification that a request must carry.
fn given<M>(materialization: Option<&M>) -> Result<&M> {
    materialization
        .ok_or_else(|| Error::protocol("a request from the runtime lacks its materialization"))
}

fn unexpected(request: &Request<'_>, expected: &str) -> Error {
    let name = request.name();
    let hint = match request {
        Request::Load(_) => {
            "; this connector takes delta updates only, for which nothing is ever loaded"
        }
        _ => "",
    };
    Error::protocol(format!(
        "the runtime sent {name} where only {expected} may come{hint}"
    ))
}

async fn open<S: ObjectStore>(
    request: &Open,
    connect: impl Fn(&EndpointConfig, u32) -> S,
    environment: Environment,
    stop: Stop,
) -> Result<Session<S>> {
    let materialization = given(request.materialization.as_ref())?;
    let (endpoint, store) = connected(&materialization.config_json, connect, ATTEMPTS)?;
    let opening = Opening {
        materialization,
        endpoint: &endpoint,
        key_range: key_range(request.range.as_ref()),
        state: &request.state_json,
        stop,
    };
    let pacing = Pacing {
        interval: environment.haste.shorten(endpoint.upload_interval),
        runtime_schedules: !materialization.sync_schedule_json.is_empty(),
    };
    let transactor = Transactor::open(store, opening, environment).await?;
    report::log_session(
        &materialization.name,
        materialization.bindings.len(),
        &endpoint,
        transactor.way(),
    );
    Ok(Session {
        transactor,
        pacing,
        held_back: Duration::ZERO,
    })
}

/// The keys of a shard; without a range they are all.
fn key_range(range: Option<&flow::RangeSpec>) -> RangeInclusive<u32> {
    range.map_or(0..=u32::MAX, |range| range.key_begin..=range.key_end)
}

/// How a step of a session ended.
enum Step<T> {
    /// It was done.
    Done(T),
    /// The runtime, or whoever asked the process to stop, has ended the session where that is in
    /// order.
    End,
}

/// From Open on.
struct Session<S> {
    transactor: Transactor<S>,
    pacing: Pacing,
    /// How long the last Acknowledged waited for the upload interval.
    held_back: Duration,
}

impl<S: ObjectStore> Session<S> {
    async fn run<W: Write>(
        mut self,
        mut requests: Requests,
        mut responses: Responses<W>,
    ) -> Result<()> {
        let ended = self.transactions(&mut requests, &mut responses).await;
        // Whatever the session was in the middle of can never be committed.
        self.transactor.abort().await;
        ended
    }

    async fn transactions<W: Write>(
        &mut self,
        requests: &mut Requests,
        responses: &mut Responses<W>,
    ) -> Result<()> {
        responses.opened()?;
        let mut round = None;
        loop {
            if let Step::End = self
                .acknowledge(requests, responses, round.as_ref())
                .await?
            {
                return Ok(());
            }
            match self.transaction(requests, responses).await? {
                Step::Done(done) => round = Some(done),
                Step::End => return Ok(()),
            }
        }
    }

    /// Makes the last transaction visible, and then paces the next one.
    async fn acknowledge<W: Write>(
        &mut self,
        requests: &mut Requests,
        responses: &mut Responses<W>,
        round: Option<&Round>,
    ) -> Result<Step<()>> {
        match requests.next().await? {
            Event::End(_) => return Ok(Step::End),
            Event::Request(Request::Acknowledge(_)) => {}
            Event::Request(other) => return Err(unexpected(&other, "Acknowledge")),
        }
        let patch = match self.transactor.acknowledge().await? {
            Acknowledged::Done(patch) => patch,
            Acknowledged::Stopped => return Ok(Step::End),
        };
        let began = Instant::now();
        let wait = self.pacing.wait(round, began.into_std());
        if !wait.is_zero() {
            info!(
                seconds = wait.as_secs(),
                "waiting for the end of the upload interval"
            );
            // Nobody waits for the interval once the session ends.
            let _ = tokio::time::timeout(wait, requests.ended()).await;
        }
        self.held_back = began.elapsed();
        responses.acknowledged(patch.as_ref())?;
        Ok(Step::Done(()))
    }

    /// From Flush to StartedCommit.
    async fn transaction<W: Write>(
        &mut self,
        requests: &mut Requests,
        responses: &mut Responses<W>,
    ) -> Result<Step<Round>> {
        match requests.next().await? {
            Event::End(_) => return Ok(Step::End),
            Event::Request(Request::Flush(_)) => {}
            Event::Request(other) => return Err(unexpected(&other, "Flush")),
        }
        let flush_at = Instant::now().into_std();
        self.transactor.begin(requests.waited());
        responses.flushed()?;
        self.stores(requests).await?;
        let patch = self.transactor.commit(requests.waited()).await?;
        responses.started_commit(patch.as_ref())?;
        let stored = self.transactor.stored();
        if stored.rows > 0 {
            report::log_transaction(self.transactor.staged(), self.held_back);
        }
        Ok(Step::Done(Round {
            flush_at,
            rows: stored.rows,
            bytes: stored.bytes,
        }))
    }

    /// Every row up to StartCommit.
    async fn stores(&mut self, requests: &mut Requests) -> Result<()> {
        loop {
            match requests.wait().await? {
                None => {}
                Some(End::Closed) => return Err(cut_off()),
                Some(End::Terminated) => return Err(stopped()),
            }
            // Nothing is awaited for a row that is here already.
            while requests.is_ready() {
                let full = match requests.take()? {
                    Request::Store(store) => self.transactor.append(&store)?,
                    Request::StartCommit(_) => return Ok(()),
                    other => return Err(unexpected(&other, "Store or StartCommit")),
                };
                if let Some(binding) = full {
                    let stop = requests.stop();
                    tokio::select! {
                        () = stop.requested() => return Err(stopped()),
                        flushed = self.transactor.flush(binding, requests.waited()) => flushed?,
                    }
                }
            }
        }
    }
}

fn cut_off() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the runtime closed its pipe in the middle of a transaction; nothing of it was committed, \
         and the next session will do it again",
    )
}

#[cfg(test)]
#[allow(
    clippy::large_stack_arrays,
    clippy::similar_names,
    clippy::single_range_in_vec_init,
    reason = "a session is a list of requests, a list of transactions is a list of ranges"
)]
mod tests;
