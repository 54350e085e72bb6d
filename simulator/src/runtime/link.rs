//! The two pipes to a connector. Requests are written and responses are read at the same time, each
//! by a task of its own, so that neither side can wait for the other with both pipes full.

use bytes::{Bytes, BytesMut};
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::materialize::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::error::{Error, Result};

/// Requests are gathered up to this many bytes before they are handed to the pipe, as the real
/// runtime does.
const CHUNK_BYTES: usize = 32 << 10;

/// Chunks on their way to the pipe. More would only be memory.
const CHUNKS_WAITING: usize = 8;

/// The two pipes to a connector.
#[derive(Debug)]
pub struct Link {
    codec: Codec,
    pending: Vec<u8>,
    /// None once the input is closed.
    requests: Option<mpsc::Sender<Vec<u8>>>,
    responses: mpsc::UnboundedReceiver<Result<Response>>,
}

impl Link {
    /// Starts the tasks that write `stdin` and read `stdout`.
    pub fn new<W, R>(codec: Codec, stdin: W, stdout: R) -> Self
    where
        W: AsyncWrite + Send + Unpin + 'static,
        R: AsyncRead + Send + Unpin + 'static,
    {
        let (requests, waiting) = mpsc::channel(CHUNKS_WAITING);
        let (arrived, responses) = mpsc::unbounded_channel();
        tokio::spawn(write(stdin, waiting));
        tokio::spawn(read(codec, stdout, arrived));
        Self {
            codec,
            pending: Vec::new(),
            requests: Some(requests),
            responses,
        }
    }

    /// The codec that both sides speak.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Adds a request to those that go out together. A connector that no longer reads is no error
    /// here: what it has said and how it ended tell more.
    pub async fn feed(&mut self, request: &Request) -> Result<()> {
        self.codec.encode(request, &mut self.pending)?;
        if self.pending.len() >= CHUNK_BYTES {
            self.flush().await;
        }
        Ok(())
    }

    /// Hands everything that was fed to the pipe.
    pub async fn flush(&mut self) {
        let chunk = std::mem::take(&mut self.pending);
        if let Some(requests) = &self.requests
            && !chunk.is_empty()
        {
            let _ = requests.send(chunk).await;
        }
    }

    /// Closes the connector's standard input, once what was fed has been written.
    pub async fn close(&mut self) {
        self.flush().await;
        self.requests = None;
    }

    /// The next response; none at the end of the connector's output.
    pub async fn receive(&mut self) -> Result<Option<Response>> {
        self.responses.recv().await.transpose()
    }

    /// A response that has come already, if there is one.
    pub fn try_receive(&mut self) -> Result<Option<Response>> {
        self.responses.try_recv().ok().transpose()
    }
}

async fn write<W: AsyncWrite + Unpin>(mut stdin: W, mut waiting: mpsc::Receiver<Vec<u8>>) {
    while let Some(chunk) = waiting.recv().await {
        // A connector may end without reading everything; its exit status is what counts.
        if stdin.write_all(&chunk).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
    let _ = stdin.shutdown().await;
}

async fn read<R>(codec: Codec, mut stdout: R, arrived: mpsc::UnboundedSender<Result<Response>>)
where
    R: AsyncRead + Unpin,
{
    let mut buffer = BytesMut::new();
    loop {
        match take_response(codec, &mut buffer) {
            Ok(None) => {}
            outcome => {
                let is_last = outcome.is_err();
                if arrived
                    .send(outcome.map(Option::unwrap_or_default))
                    .is_err()
                    || is_last
                {
                    return;
                }
                continue;
            }
        }
        match stdout.read_buf(&mut buffer).await {
            Ok(0) | Err(_) if buffer.is_empty() => return,
            Ok(0) | Err(_) => {
                let _ = arrived.send(Err(partial(&buffer)));
                return;
            }
            Ok(_) => {}
        }
    }
}

fn partial(rest: &[u8]) -> Error {
    let start = String::from_utf8_lossy(&rest[..rest.len().min(60)]).into_owned();
    Error::violation(format!(
        "its output ends within a message, after {} bytes of it that begin {start:?}",
        rest.len()
    ))
}

/// Takes the first whole message off `buffer`.
fn take_response(codec: Codec, buffer: &mut BytesMut) -> Result<Option<Response>> {
    let Some((frame, used)) = codec
        .split_frame(buffer)
        .map_err(|error| not_protocol(buffer, &error))?
    else {
        return Ok(None);
    };
    let frame = Bytes::copy_from_slice(frame);
    let response = codec
        .decode(frame)
        .map_err(|error| not_protocol(buffer, &error))?;
    let _ = buffer.split_to(used);
    Ok(Some(response))
}

fn not_protocol(buffer: &[u8], error: &materialize_s3_parquet::error::Error) -> Error {
    let start = String::from_utf8_lossy(&buffer[..buffer.len().min(60)]).into_owned();
    let source = std::error::Error::source(error)
        .map(|cause| format!(" ({cause})"))
        .unwrap_or_default();
    Error::violation(format!(
        "what it wrote on stdout is not a message of the protocol in this codec{source}; it \
         begins {start:?}. Nothing else may be printed there, and its FLOW_RUNTIME_CODEC must be \
         the runtime's"
    ))
}
