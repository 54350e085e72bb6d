//! The server as a whole: its options, its socket, its start and stop, and what tests may see and
//! change of it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::fault::FaultPlan;
use super::gate::Gate;
use super::journal::{Entry, Timing};
use super::manners::Rules;
use super::service::Service;
use super::state::Store;

/// How long requests in flight may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// Tells the time. Tests may give one that stands still.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a server is started.
#[derive(Clone)]
pub struct Options {
    /// Where to listen. Port 0 takes any free one.
    pub address: SocketAddr,
    /// The one access key id that is known.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The region. Requests signed for another one are refused, as AWS does; `None` accepts any,
    /// as MinIO does.
    pub region: Option<String>,
    /// Buckets that are there from the start.
    pub buckets: Vec<String>,
    /// How strict the server is, and what it answers where real ones differ.
    pub rules: Rules,
    /// Keep only the sizes of bodies, and verify neither MD5 nor checksum: for benchmarks of the
    /// client. Reading such an object is refused. (A body that is signed as a whole is hashed
    /// all the same; a benchmark signs none.)
    pub discard: bool,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// Decides the ids of uploads and versions, and which completions are lost.
    pub seed: u64,
    /// The time that objects and uploads are stamped with. (Signatures are checked against the
    /// real time.)
    pub clock: Clock,
}

impl Default for Options {
    #[expect(
        clippy::disallowed_methods,
        reason = "the edge where the server gets its time, unless it is given another clock"
    )]
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            access_key_id: "flow-sim".to_owned(),
            secret_access_key: "flow-sim-secret".to_owned(),
            region: Some("us-east-1".to_owned()),
            buckets: Vec::new(),
            rules: Rules::default(),
            discard: false,
            faults: FaultPlan::default(),
            seed: 0,
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("address", &self.address)
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"[redacted]")
            .field("region", &self.region)
            .field("buckets", &self.buckets)
            .field("rules", &self.rules)
            .field("discard", &self.discard)
            .field("faults", &self.faults)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address could not be taken.
    #[error(
        "the S3 server cannot listen on {address}: {source}; choose another port, or 0 for any \
         free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A bucket name of the options was given twice.
    #[error("the S3 server cannot make its first buckets: {0}")]
    Bucket(#[from] super::state::StoreError),
}

/// What a server has stored, for one that is [started](Server::start_on) on it later.
#[derive(Clone, Debug)]
pub struct Stored(Arc<Mutex<Store>>);

/// A running server. Dropping it stops it at once; [`Server::stop`] lets requests in flight end
/// first.
pub struct Server {
    address: SocketAddr,
    gate: Arc<Gate>,
    store: Arc<Mutex<Store>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server, which then listens. Must be called within a tokio runtime.
    pub async fn start(options: Options) -> Result<Self, ServerError> {
        let mut store = Store::new(options.rules.clone(), options.seed);
        for bucket in &options.buckets {
            store.create_bucket(bucket, (options.clock)())?;
        }
        Self::start_on(Stored(Arc::new(Mutex::new(store))), options).await
    }

    /// Starts a server on what another one has stored, as after a crash. The options' rules, seed
    /// and buckets were for that one.
    pub async fn start_on(Stored(store): Stored, options: Options) -> Result<Self, ServerError> {
        let (listener, address) = listen(options.address).await?;
        let service = Service::new(Arc::clone(&store), &options).into_http();
        let gate = Arc::new(Gate::new(service, Arc::clone(&store), options.faults));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, Arc::clone(&gate), stopped));
        Ok(Self {
            address,
            gate,
            store,
            stop: Some(stop),
            task,
        })
    }

    /// The address it listens on, with the port it really has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL clients need, e.g. `http://127.0.0.1:40123`. Clients must use path style.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in the order of arrival.
    pub fn journal(&self) -> Vec<Entry> {
        self.gate.journal()
    }

    /// Every request so far, and when it came and ended.
    pub fn timed_journal(&self) -> Vec<(Entry, Timing)> {
        self.gate.timed_journal()
    }

    /// The requests so far that the server does not implement. A test that ends with one has not
    /// tested what it thinks.
    pub fn unsupported(&self) -> Vec<Entry> {
        let mut entries = self.journal();
        entries.retain(Entry::is_unsupported);
        entries
    }

    /// Looks at the store, or changes it behind the clients' backs. Requests wait meanwhile: be
    /// quick.
    pub fn with_store<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        work(&mut self.store.lock())
    }

    /// Replaces the faults from the next request on. The count of attempts goes on.
    pub fn set_faults(&self, faults: FaultPlan) {
        self.gate.set_faults(faults);
    }

    /// From now on every request is answered with `AccessDenied`.
    pub fn revoke_access(&self) {
        self.gate.set_revoked(true);
    }

    /// Takes [`Server::revoke_access`] back.
    pub fn restore_access(&self) {
        self.gate.set_revoked(false);
    }

    /// What is stored, for another server that is started on it beside this one.
    pub fn stored(&self) -> Stored {
        Stored(Arc::clone(&self.store))
    }

    /// Stops at once: closes every connection, whatever is on its way. What is stored stays, for
    /// [`Server::start_on`].
    pub async fn kill(mut self) -> Stored {
        self.task.abort();
        // It ends by being aborted; then nothing listens any more.
        let _ = (&mut self.task).await;
        Stored(Arc::clone(&self.store))
    }

    /// Stops listening, gives requests in flight two seconds to end, and closes every connection.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the task has ended already.
            let _ = stop.send(());
        }
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the S3 server did not end in good order");
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let error = |source| ServerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok((listener, address))
}

/// Accepts connections until told to stop. Dropping it drops its connections.
async fn serve(listener: TcpListener, gate: Arc<Gate>, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, &gate, &graceful))),
                Err(error) => {
                    tracing::warn!(%error, "the S3 server could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = &mut stopped => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("the S3 server closed connections with requests in flight");
    }
}

fn connection(
    stream: TcpStream,
    gate: &Arc<Gate>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    let gate = Arc::clone(gate);
    // Only latency suffers if it cannot be set.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Arc::clone(&gate).handle(request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the S3 server ended early");
        }
    }
}
