//! The requests that have a process of their own: Spec, Validate and Apply. One request, one
//! response, the end.

use std::time::Duration;

use materialize_s3_parquet::protocol::materialize::{Request, Response, request, response};

use super::connector::Connector;
use super::error::Result;
use super::launch::Launch;
use super::step::{Observer, Step};

/// Starts connectors one after the other and numbers them.
#[derive(Clone, Copy)]
pub struct Incarnations<'a> {
    launch: &'a dyn Launch,
    patience: Duration,
    next: u64,
}

impl<'a> Incarnations<'a> {
    /// `patience` is how long an answer may take.
    pub fn new(launch: &'a dyn Launch, patience: Duration) -> Self {
        Self {
            launch,
            patience,
            next: 0,
        }
    }

    /// The processes of a shard that begins now, apart from those of all others.
    #[must_use]
    pub fn of_shard(&self, shard: u32) -> Self {
        Self {
            next: self.next | (u64::from(shard) << 32),
            ..*self
        }
    }

    /// The codec that the connectors speak.
    pub fn codec(&self) -> materialize_s3_parquet::protocol::Codec {
        self.launch.codec()
    }

    /// Starts the next one; it has answered its first Spec.
    pub async fn start(&mut self, observer: &mut dyn Observer) -> Result<Connector> {
        let incarnation = self.next;
        self.next += 1;
        let (connector, _) =
            Connector::start(self.launch, incarnation, self.patience, observer).await?;
        Ok(connector)
    }

    /// What the connector says of itself.
    pub async fn spec(
        &mut self,
        request: request::Spec,
        observer: &mut dyn Observer,
    ) -> Result<response::Spec> {
        let request = Request {
            spec: Some(request),
            ..Request::default()
        };
        self.unary(&request, "Spec", |response| response.spec, None, observer)
            .await
    }

    /// The connector's constraints for every binding.
    pub async fn validate(
        &mut self,
        request: request::Validate,
        observer: &mut dyn Observer,
    ) -> Result<response::Validated> {
        let request = Request {
            validate: Some(request),
            ..Request::default()
        };
        self.unary(
            &request,
            "Validated",
            |response| response.validated,
            None,
            observer,
        )
        .await
    }

    /// Makes the endpoint ready for a specification.
    pub async fn apply(
        &mut self,
        request: request::Apply,
        observer: &mut dyn Observer,
    ) -> Result<response::Applied> {
        let request = Request {
            apply: Some(request),
            ..Request::default()
        };
        self.unary(
            &request,
            "Applied",
            |response| response.applied,
            Some(Step::Applied),
            observer,
        )
        .await
    }

    async fn unary<T>(
        &mut self,
        request: &Request,
        awaited: &'static str,
        pick: impl FnOnce(Response) -> Option<T>,
        answered: Option<Step>,
        observer: &mut dyn Observer,
    ) -> Result<T> {
        let mut connector = self.start(observer).await?;
        connector.send(request).await?;
        connector.close_input().await;
        let response = connector.expect(awaited, pick).await;
        connector.tell_logs(observer);
        let response = response?;
        connector.expect_end(observer).await?;
        if let Some(step) = answered {
            connector.reach(step, observer).await?;
        }
        Ok(response)
    }
}
