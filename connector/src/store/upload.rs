//! One file on its way to S3: parts as they come, several at a time, into an upload that nobody can see yet.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;

use super::parts::Piece;
use super::{ObjectStore, PartBody, PartPool, PartWriter, PendingUpload, abort_all};
use crate::checkpoint::{Location, Part, StagedUpload};
use crate::error::{Error, Result};

/// A file whose parts are all in S3.
#[derive(Clone, Debug)]
pub struct FinishedUpload {
    /// What the checkpoint must name, so that the file can be completed.
    pub staged: StagedUpload,
    /// From the first part's arrival here until the last one's in S3.
    pub elapsed: Duration,
}

/// A file on its way to S3, fed by its [`PartWriter`]. The multipart upload is created with the first part.
///
/// Whatever goes wrong, the upload is aborted: no checkpoint can name it yet. Dropping this aborts it as well, in the
/// background; [`Upload::abort`] waits for that.
#[derive(Debug)]
pub struct Upload {
    location: Location,
    key: String,
    token: String,
    uploaded: oneshot::Receiver<Result<Uploaded>>,
    /// Says that the upload is kept. Dropping it without a word aborts the upload, finished or not.
    keep: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Uploaded {
    upload_id: String,
    parts: Vec<Part>,
    bytes: u64,
    elapsed: Duration,
}

impl Upload {
    /// Begins a file under `key`; `token` goes into its metadata (16 hex digits). Must be called within a tokio runtime.
    pub fn start<S: ObjectStore>(
        store: &S,
        pool: &PartPool,
        key: String,
        token: String,
    ) -> (PartWriter, Self) {
        let (writer, pieces) = pool.writer();
        let (keep, kept) = oneshot::channel();
        let (report, uploaded) = oneshot::channel();
        let stream = Stream::new(store.clone(), key.clone(), token.clone());
        let task = tokio::spawn(run(stream, pieces, report, kept));
        (
            writer,
            Self {
                location: store.location().clone(),
                key,
                token,
                uploaded,
                keep,
                task,
            },
        )
    }

    /// Waits until the last part is in S3. `rows` is the file's, `staged_at` the time now. Fails with what went wrong on the way, and
    /// where the writer went away without [`PartWriter::finish`]; the upload is aborted then.
    pub async fn finish(self, rows: u64, staged_at: Timestamp) -> Result<FinishedUpload> {
        let Self {
            location,
            key,
            token,
            uploaded,
            keep,
            task,
        } = self;
        let Ok(uploaded) = uploaded.await else {
            let error = Error::internal("an upload broke off: please report this");
            return Err(match task.await {
                Err(panicked) => error.with_source(panicked),
                Ok(()) => error,
            });
        };
        let Uploaded {
            upload_id,
            parts,
            bytes,
            elapsed,
        } = uploaded?;
        // The task has nothing more to do, and would only wait for this.
        let _ = keep.send(());
        let staged = StagedUpload {
            location,
            key,
            upload_id,
            token,
            parts,
            bytes,
            rows,
            staged_at,
        };
        Ok(FinishedUpload { staged, elapsed })
    }

    /// Gives the file up and waits until its upload is aborted, as far as that can be done.
    pub async fn abort(self) {
        drop(self.keep);
        // What went wrong before no longer matters.
        let _ = self.task.await;
    }
}

/// Takes the parts in and reports; on every way out but that somebody keeps the upload, it is aborted.
async fn run<S: ObjectStore>(
    mut stream: Stream<S>,
    mut pieces: mpsc::UnboundedReceiver<Piece>,
    report: oneshot::Sender<Result<Uploaded>>,
    mut kept: oneshot::Receiver<()>,
) {
    let result = stream.take_all(&mut pieces, &mut kept).await;
    // The writer must not go on, nor wait for parts that will never arrive.
    drop(pieces);
    if result.is_err() {
        stream.abort().await;
        // Nobody may be waiting any more.
        let _ = report.send(result);
    } else if report.send(result).is_err() || kept.await.is_err() {
        stream.abort().await;
    }
}

/// The state of one file's upload.
struct Stream<S> {
    store: S,
    key: String,
    token: String,
    upload: Option<PendingUpload>,
    on_their_way: JoinSet<(usize, Result<Part>)>,
    arrived: Vec<Option<Part>>,
    bytes: u64,
    began: Option<Instant>,
}

impl<S: ObjectStore> Stream<S> {
    fn new(store: S, key: String, token: String) -> Self {
        let (on_their_way, arrived) = (JoinSet::new(), Vec::new());
        Self {
            store,
            key,
            token,
            upload: None,
            on_their_way,
            arrived,
            bytes: 0,
            began: None,
        }
    }

    async fn take_all(
        &mut self,
        pieces: &mut mpsc::UnboundedReceiver<Piece>,
        cancelled: &mut oneshot::Receiver<()>,
    ) -> Result<Uploaded> {
        let mut whole = false;
        while !(whole && self.on_their_way.is_empty()) {
            tokio::select! {
                _ = &mut *cancelled => return Err(Error::internal(format!("`{}` was given up", self.key))),
                Some(joined) = self.on_their_way.join_next() => self.arrive(joined)?,
                piece = pieces.recv(), if !whole => match piece {
                    Some(Piece::Part(body)) => self.send(body).await?,
                    Some(Piece::End) => whole = true,
                    None => return Err(Error::internal(format!("the encoder of `{}` went away in the middle of the file", self.key))),
                },
            }
        }
        self.uploaded()
    }

    /// Sends a part on its way. The pool bounds how many there are at once.
    async fn send(&mut self, body: PartBody) -> Result<()> {
        self.began.get_or_insert_with(Instant::now);
        let upload = self.upload().await?;
        let store = self.store.clone();
        let index = self.arrived.len();
        self.bytes += body.bytes() as u64;
        self.arrived.push(None);
        self.on_their_way.spawn(async move {
            let part = store.upload_part(&upload, index as u32 + 1, body).await;
            (index, part)
        });
        Ok(())
    }

    /// The multipart upload, created at first use. Never cancelled half-way: nobody would know its id.
    async fn upload(&mut self) -> Result<PendingUpload> {
        if let Some(upload) = &self.upload {
            return Ok(upload.clone());
        }
        let upload_id = self.store.create_upload(&self.key, &self.token).await?;
        let upload = PendingUpload {
            key: self.key.clone(),
            upload_id,
        };
        self.upload = Some(upload.clone());
        Ok(upload)
    }

    fn arrive(&mut self, joined: Result<(usize, Result<Part>), JoinError>) -> Result<()> {
        let (index, part) = joined.map_err(broke_off)?;
        self.arrived[index] = Some(part?);
        Ok(())
    }

    fn uploaded(&mut self) -> Result<Uploaded> {
        let elapsed = self.began.map(|began| began.elapsed()).unwrap_or_default();
        let parts: Option<Vec<Part>> = std::mem::take(&mut self.arrived).into_iter().collect();
        match (&self.upload, parts) {
            (Some(upload), Some(parts)) => Ok(Uploaded {
                upload_id: upload.upload_id.clone(),
                parts,
                bytes: self.bytes,
                elapsed,
            }),
            _ => Err(Error::internal(format!(
                "`{}` would be a file without a byte: please report this",
                self.key
            ))),
        }
    }

    /// Stops the parts first: one that arrived after the abort would stay for ever.
    async fn abort(&mut self) {
        self.on_their_way.shutdown().await;
        if let Some(upload) = self.upload.take() {
            abort_all(&self.store, [upload]).await;
        }
    }
}

fn broke_off(error: JoinError) -> Error {
    Error::internal("an upload broke off: please report this").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::super::PartLimits;
    use super::super::fake::{Fake, Operation};
    use super::*;
    use crate::error::ErrorKind;
    use std::io::Write;

    const PART: usize = 64;
    const KEY: &str = "orders/file.parquet";

    fn start(store: &Fake, parts: usize) -> (PartWriter, Upload) {
        let pool = PartPool::new(PartLimits {
            part_bytes: PART,
            bytes: parts * PART,
            parts,
        });
        Upload::start(store, &pool, KEY.into(), "70ce".into())
    }

    /// Writes on a thread of its own, as the encoder does.
    async fn write(mut writer: PartWriter, data: Vec<u8>) -> std::io::Result<u64> {
        let encoder = tokio::task::spawn_blocking(move || {
            writer.write_all(&data)?;
            writer.finish()
        });
        encoder.await.unwrap()
    }

    fn denied() -> Error {
        Error::new(ErrorKind::Auth, "denied")
    }

    #[tokio::test]
    async fn files_of_every_size_around_a_multiple_of_the_part_arrive_whole() {
        for size in [
            1,
            PART - 1,
            PART,
            PART + 1,
            5 * PART - 1,
            5 * PART,
            5 * PART + 1,
        ] {
            let store = Fake::new();
            let data: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
            let (writer, upload) = start(&store, 2);
            assert_eq!(write(writer, data.clone()).await.unwrap(), size as u64);
            let FinishedUpload { staged, .. } =
                upload.finish(3, Timestamp::UNIX_EPOCH).await.unwrap();
            assert_eq!(
                (staged.bytes, staged.rows, staged.parts.len()),
                (size as u64, 3, size.div_ceil(PART))
            );
            assert_eq!(store.keys(), Vec::<String>::new(), "nobody sees it yet");
            store.complete(&staged).await.unwrap();
            assert_eq!(store.object(KEY), data, "{size} bytes");
            assert_eq!(
                store.head(KEY).await.unwrap().unwrap().token.as_deref(),
                Some("70ce")
            );
        }
    }

    #[tokio::test]
    async fn parts_that_arrive_out_of_order_are_staged_in_order() {
        let store = Fake::new();
        store.slow_down_early_parts();
        let data: Vec<u8> = (0..4 * PART).map(|byte| byte as u8).collect();
        let (writer, upload) = start(&store, 4);
        write(writer, data.clone()).await.unwrap();
        let finished = upload.finish(1, Timestamp::UNIX_EPOCH).await.unwrap();
        store.complete(&finished.staged).await.unwrap();
        assert_eq!(store.object(KEY), data);
    }

    #[tokio::test]
    async fn nothing_is_created_before_the_first_part() {
        let store = Fake::new();
        let (mut writer, upload) = start(&store, 1);
        writer.write_all(&[0; PART - 1]).unwrap();
        tokio::task::yield_now().await;
        upload.abort().await;
        assert_eq!(store.operations(), []);
        drop(writer);
    }

    #[tokio::test]
    async fn a_part_that_fails_ends_the_writer_and_aborts_the_upload() {
        for operation in [Operation::Create, Operation::Part] {
            let store = Fake::new();
            store.fail(operation, denied);
            let (writer, upload) = start(&store, 1);
            let written = write(writer, vec![0; 9 * PART]).await;
            assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
            assert_eq!(
                upload
                    .finish(1, Timestamp::UNIX_EPOCH)
                    .await
                    .unwrap_err()
                    .kind(),
                ErrorKind::Auth
            );
            assert_eq!(store.pending(), Vec::<String>::new());
        }
    }

    #[tokio::test]
    async fn a_writer_that_goes_away_in_mid_file_aborts_the_upload() {
        let store = Fake::new();
        let (mut writer, upload) = start(&store, 4);
        writer.write_all(&[0; 2 * PART + 1]).unwrap();
        drop(writer);
        let error = upload.finish(1, Timestamp::UNIX_EPOCH).await.unwrap_err();
        assert!(error.to_string().contains(KEY), "{error}");
        assert_eq!(store.pending(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_file_without_a_byte_is_an_error() {
        let store = Fake::new();
        let (writer, upload) = start(&store, 1);
        writer.finish().unwrap();
        assert_eq!(
            upload
                .finish(0, Timestamp::UNIX_EPOCH)
                .await
                .unwrap_err()
                .kind(),
            ErrorKind::Internal
        );
        assert_eq!(store.operations(), []);
    }

    #[tokio::test]
    async fn giving_a_file_up_aborts_it_even_while_the_store_hangs() {
        let store = Fake::new();
        store.hang(Operation::Part);
        let (mut writer, upload) = start(&store, 4);
        writer.write_all(&[0; 2 * PART]).unwrap();
        store.until(Operation::Part).await;
        upload.abort().await;
        assert_eq!(store.pending(), Vec::<String>::new());
        assert_eq!(
            writer.write_all(&[0; PART]).unwrap_err().kind(),
            std::io::ErrorKind::BrokenPipe
        );
    }

    #[tokio::test]
    async fn giving_up_a_file_whose_parts_are_all_there_aborts_it_too() {
        for drops in [false, true] {
            let store = Fake::new();
            let (mut writer, upload) = start(&store, 4);
            writer.write_all(&[0; PART]).unwrap();
            writer.finish().unwrap();
            store.until(Operation::Part).await;
            tokio::task::yield_now().await;
            if drops {
                drop(upload);
                store.until(Operation::Abort).await;
            } else {
                upload.abort().await;
            }
            assert_eq!(store.pending(), Vec::<String>::new());
        }
    }

    #[tokio::test]
    async fn dropping_an_upload_aborts_it() {
        let store = Fake::new();
        let (mut writer, upload) = start(&store, 4);
        writer.write_all(&[0; PART]).unwrap();
        store.until(Operation::Part).await;
        drop(upload);
        store.until(Operation::Abort).await;
        assert_eq!(store.pending(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn an_abort_that_fails_is_not_the_error_that_is_told() {
        let store = Fake::new();
        store.fail(Operation::Part, denied);
        store.fail(Operation::Abort, || Error::internal("abort"));
        let (writer, upload) = start(&store, 1);
        assert!(write(writer, vec![0; 3 * PART]).await.is_err());
        assert_eq!(
            upload
                .finish(1, Timestamp::UNIX_EPOCH)
                .await
                .unwrap_err()
                .kind(),
            ErrorKind::Auth
        );
    }
}
