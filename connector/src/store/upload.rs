//! One file on its way to S3: parts as they come, several at a time, to where nobody takes them for
//! a file yet.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;

use super::cleanup::{abort_all, delete_all};
use super::parts::Piece;
use super::{
    Completion, ContentType, ObjectStore, PartBody, PartPool, PartWriter, PendingUpload, Target,
    Way, Written,
};
use crate::checkpoint::{Location, Part, Staged, StagedFile, StagedObject, StagedUpload};
use crate::error::{Error, ErrorKind, Result};
use crate::stop::{Stop, stopped};

/// A file whose bytes are all in S3.
#[derive(Clone, Debug)]
pub struct FinishedUpload {
    /// What the checkpoint must name, so that the file can be made visible.
    pub staged: StagedFile,
    /// The parts that it was uploaded in.
    pub parts: usize,
    /// The time from the first part's arrival here until the last one's in S3.
    pub elapsed: Duration,
}

/// A file on its way to S3, fed by its [`PartWriter`].
///
/// Whatever goes wrong, its bytes are thrown away: no checkpoint can name them yet. Dropping this
/// does so as well, in the background; [`Upload::abort`] waits for it.
#[derive(Debug)]
pub struct Upload {
    location: Location,
    target: Target,
    uploaded: oneshot::Receiver<Result<Uploaded>>,
    /// Says that the bytes are kept. Dropping it without a word throws them away, finished or not.
    keep: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Uploaded {
    staged: Staged,
    parts: usize,
    bytes: u64,
    elapsed: Duration,
}

impl Upload {
    /// Begins a file. Must be called within a tokio runtime.
    pub fn start<S: ObjectStore>(store: &S, pool: &PartPool, target: Target) -> (PartWriter, Self) {
        let (writer, pieces) = pool.writer();
        let (keep, kept) = oneshot::channel();
        let (report, uploaded) = oneshot::channel();
        let stream = Stream::new(store.clone(), target.clone());
        let task = tokio::spawn(run(stream, pieces, report, kept));
        let upload = Self {
            location: store.location().clone(),
            target,
            uploaded,
            keep,
            task,
        };
        (writer, upload)
    }

    /// Waits until the last byte is in S3. `rows` is the file's, `staged_at` the time now. Fails
    /// with what went wrong on the way, where the writer went away without
    /// [`PartWriter::finish`], and where a stop is asked for; the bytes are thrown away then.
    pub async fn finish(
        mut self,
        rows: u64,
        staged_at: Timestamp,
        stop: &Stop,
    ) -> Result<FinishedUpload> {
        let uploaded = tokio::select! {
            uploaded = &mut self.uploaded => uploaded,
            () = stop.requested() => {
                self.abort().await;
                return Err(stopped());
            }
        };
        let Ok(uploaded) = uploaded else {
            let error = Error::internal("an upload broke off: please report this");
            return Err(match self.task.await {
                Err(panicked) => error.with_source(panicked),
                Ok(()) => error,
            });
        };
        let Uploaded {
            staged,
            parts,
            bytes,
            elapsed,
        } = uploaded?;
        // The task has nothing more to do, and would only wait for this.
        let _ = self.keep.send(());
        let staged = StagedFile {
            location: self.location,
            key: self.target.key,
            token: self.target.token,
            bytes,
            rows,
            staged_at,
            receipt: None,
            failing_since: None,
            staged,
        };
        Ok(FinishedUpload {
            staged,
            parts,
            elapsed,
        })
    }

    /// Gives the file up and waits until its bytes are thrown away, as far as that can be done.
    pub async fn abort(self) {
        drop(self.keep);
        // What went wrong before no longer matters.
        let _ = self.task.await;
    }
}

/// Gives files up side by side, and waits until their bytes are thrown away.
pub async fn abort_uploads(uploads: impl IntoIterator<Item = Upload>) {
    let aborts: JoinSet<()> = uploads.into_iter().map(Upload::abort).collect();
    aborts.join_all().await;
}

/// Takes the parts in and reports; on every way out but that somebody keeps the file, its bytes are
/// thrown away.
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

/// What has arrived in S3.
enum Arrival {
    /// A part of the upload, by its place.
    Part(usize, Part),
    /// The whole object.
    Object(Written),
}

/// The state of one file's upload.
struct Stream<S> {
    store: S,
    target: Target,
    /// The multipart upload, until it is an object.
    upload: Option<PendingUpload>,
    on_their_way: JoinSet<Result<Arrival>>,
    arrived: Vec<Option<Part>>,
    /// Whether the staged object may be there.
    may_be_object: bool,
    object: Option<Written>,
    bytes: u64,
    began: Option<Instant>,
}

impl<S: ObjectStore> Stream<S> {
    fn new(store: S, target: Target) -> Self {
        Self {
            store,
            target,
            upload: None,
            on_their_way: JoinSet::new(),
            arrived: Vec::new(),
            may_be_object: false,
            object: None,
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
                _ = &mut *cancelled => return Err(self.broken("was given up")),
                Some(joined) = self.on_their_way.join_next() => self.arrive(joined)?,
                piece = pieces.recv(), if !whole => match piece {
                    Some(Piece::Part(body)) => self.send(body).await?,
                    Some(Piece::End(rest)) => {
                        whole = true;
                        self.send_rest(rest).await?;
                    }
                    None => return Err(self.broken("lost its encoder in the middle of the file")),
                },
            }
            if whole && self.on_their_way.is_empty() {
                self.make_object();
            }
        }
        self.uploaded()
    }

    fn broken(&self, how: &str) -> Error {
        Error::internal(format!("`{}` {how}", self.target.key))
    }

    /// Sends the end of the file: to be copied, a file of less than a part is an object at once.
    async fn send_rest(&mut self, rest: Option<PartBody>) -> Result<()> {
        match rest {
            Some(rest) if self.target.way == Way::Copy && self.upload.is_none() => {
                self.put(rest);
                Ok(())
            }
            Some(rest) => self.send(rest).await,
            None => Ok(()),
        }
    }

    fn put(&mut self, body: PartBody) {
        self.began.get_or_insert_with(Instant::now);
        self.bytes += body.bytes() as u64;
        self.may_be_object = true;
        let (store, key) = (self.store.clone(), self.target.staged_key.clone());
        self.on_their_way.spawn(async move {
            let put = store.put(&key, body, ContentType::Parquet).await;
            put.map(Arrival::Object)
        });
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
            part.map(|part| Arrival::Part(index, part))
        });
        Ok(())
    }

    /// The multipart upload, created at first use. Never cancelled half-way: nobody would know its
    /// id.
    async fn upload(&mut self) -> Result<PendingUpload> {
        if let Some(upload) = &self.upload {
            return Ok(upload.clone());
        }
        let key = self.target.upload_key();
        let upload = PendingUpload {
            key: key.to_owned(),
            upload_id: self.store.create_upload(key).await?,
        };
        self.upload = Some(upload.clone());
        Ok(upload)
    }

    fn arrive(&mut self, joined: Result<Result<Arrival>, JoinError>) -> Result<()> {
        match joined.map_err(broke_off)?? {
            Arrival::Part(index, part) => self.arrived[index] = Some(part),
            Arrival::Object(written) => self.object = Some(written),
        }
        Ok(())
    }

    /// Once all parts have arrived: a file that is copied later must be an object by then.
    fn make_object(&mut self) {
        if self.target.way == Way::Multipart || self.may_be_object {
            return;
        }
        let (Some(upload), Some(parts)) = (&self.upload, self.parts()) else {
            return;
        };
        let upload = StagedUpload {
            upload_id: upload.upload_id.clone(),
            parts,
        };
        self.may_be_object = true;
        let (store, key, bytes) = (
            self.store.clone(),
            self.target.staged_key.clone(),
            self.bytes,
        );
        self.on_their_way
            .spawn(async move { complete(&store, &key, &upload, bytes).await });
    }

    fn parts(&self) -> Option<Vec<Part>> {
        self.arrived.iter().cloned().collect()
    }

    fn uploaded(&mut self) -> Result<Uploaded> {
        let elapsed = self.began.map(|began| began.elapsed()).unwrap_or_default();
        let staged = match (&self.object, &self.upload, self.parts()) {
            (Some(Written { etag, version }), ..) => Staged::Copy {
                staged: StagedObject {
                    key: self.target.staged_key.clone(),
                    etag: etag.clone(),
                    version: version.clone(),
                },
            },
            (None, Some(upload), Some(parts)) => Staged::Multipart(StagedUpload {
                upload_id: upload.upload_id.clone(),
                parts,
            }),
            _ => {
                return Err(self.broken("would be a file without a byte: please report this"));
            }
        };
        Ok(Uploaded {
            staged,
            parts: self.arrived.len().max(1),
            bytes: self.bytes,
            elapsed,
        })
    }

    /// Stops the parts first: one that arrived after the abort would stay for ever.
    async fn abort(&mut self) {
        self.on_their_way.shutdown().await;
        if let Some(upload) = self.upload.take()
            && self.object.is_none()
        {
            abort_all(&self.store, [upload]).await;
        }
        if self.may_be_object {
            let version = self.object.take().and_then(|object| object.version);
            let object = (self.target.staged_key.clone(), version);
            delete_all(&self.store, [object]).await;
        }
    }
}

/// Makes a staged object of an upload. An answer that was lost is no failure where the object is
/// there.
async fn complete<S: ObjectStore>(
    store: &S,
    key: &str,
    upload: &StagedUpload,
    bytes: u64,
) -> Result<Arrival> {
    let completion = store.complete(key, upload).await?;
    if let Completion::Completed(written) = completion
        && !written.etag.is_empty()
    {
        return Ok(Arrival::Object(written));
    }
    match store.head(key).await? {
        Some(object) if object.bytes == bytes => Ok(Arrival::Object(object.written)),
        _ => Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "{} no longer has the parts of `{key}`, which it had taken: the rows are staged \
                 anew when the task restarts",
                store.location()
            ),
        )),
    }
}

fn broke_off(error: JoinError) -> Error {
    Error::internal("an upload broke off: please report this").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::super::PartLimits;
    use super::super::fake::{Fake, Operation};
    use super::super::way::{Answer, Commit};
    use super::*;
    use crate::error::ErrorKind;
    use std::io::Write;

    const PART: usize = 64;
    const KEY: &str = "orders/file.parquet";
    const STAGED_KEY: &str = "orders/_staged/file.parquet.staged";

    fn start(store: &Fake, parts: usize) -> (PartWriter, Upload) {
        let pool = PartPool::new(PartLimits {
            part_bytes: PART,
            bytes: parts * PART,
            parts,
        });
        Upload::start(store, &pool, target(Way::Multipart))
    }

    fn target(way: Way) -> Target {
        Target {
            way,
            key: KEY.into(),
            staged_key: STAGED_KEY.into(),
            token: "70ce".into(),
        }
    }

    fn start_copy(store: &Fake, parts: usize) -> (PartWriter, Upload) {
        let pool = PartPool::new(PartLimits {
            part_bytes: PART,
            bytes: parts * PART,
            parts,
        });
        Upload::start(store, &pool, target(Way::Copy))
    }

    async fn make_visible(store: &Fake, staged: &StagedFile) {
        let haste = crate::store::Haste::NONE;
        let answer = staged.staged.make_visible(store, staged, haste).await;
        assert_eq!(answer.unwrap(), Answer::Visible);
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
            let FinishedUpload { staged, parts, .. } = upload
                .finish(3, Timestamp::UNIX_EPOCH, &Stop::never())
                .await
                .unwrap();
            assert_eq!(
                (staged.bytes, staged.rows, parts),
                (size as u64, 3, size.div_ceil(PART))
            );
            assert_eq!(store.keys(), Vec::<String>::new(), "nobody sees it yet");
            make_visible(&store, &staged).await;
            assert_eq!(store.object(KEY), data, "{size} bytes");
        }
    }

    #[tokio::test]
    async fn parts_that_arrive_out_of_order_are_staged_in_order() {
        let store = Fake::new();
        store.slow_down_early_parts();
        let data: Vec<u8> = (0..4 * PART).map(|byte| byte as u8).collect();
        let (writer, upload) = start(&store, 4);
        write(writer, data.clone()).await.unwrap();
        let finished = upload
            .finish(1, Timestamp::UNIX_EPOCH, &Stop::never())
            .await
            .unwrap();
        make_visible(&store, &finished.staged).await;
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
                    .finish(1, Timestamp::UNIX_EPOCH, &Stop::never())
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
        let error = upload
            .finish(1, Timestamp::UNIX_EPOCH, &Stop::never())
            .await
            .unwrap_err();
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
                .finish(0, Timestamp::UNIX_EPOCH, &Stop::never())
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
                .finish(1, Timestamp::UNIX_EPOCH, &Stop::never())
                .await
                .unwrap_err()
                .kind(),
            ErrorKind::Auth
        );
    }

    #[tokio::test]
    async fn to_be_copied_a_file_of_less_than_a_part_is_one_object_and_others_are_completed_first()
    {
        for size in [1, PART - 1, PART, PART + 1, 5 * PART, 5 * PART + 1] {
            let store = Fake::new();
            let data: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
            let (writer, upload) = start_copy(&store, 2);
            write(writer, data.clone()).await.unwrap();
            let FinishedUpload { staged, parts, .. } = upload
                .finish(3, Timestamp::UNIX_EPOCH, &Stop::never())
                .await
                .unwrap();
            assert_eq!((staged.bytes, parts), (size as u64, size.div_ceil(PART)));
            assert_eq!(store.object(STAGED_KEY), data, "{size} bytes");
            assert_eq!((store.keys(), store.pending()), (vec![], vec![]));
            let is_put = store.operations().contains(&Operation::Put);
            assert_eq!(is_put, size < PART, "{size} bytes");
            make_visible(&store, &staged).await;
            assert_eq!(store.object(KEY), data, "{size} bytes");
            assert_eq!(store.staged_keys(), Vec::<String>::new());
        }
    }

    #[tokio::test]
    async fn giving_a_file_up_that_is_to_be_copied_leaves_neither_upload_nor_object() {
        for (size, operation) in [
            (1, Operation::Put),
            (2 * PART, Operation::Part),
            (2 * PART, Operation::Complete),
        ] {
            let store = Fake::new();
            let (mut writer, upload) = start_copy(&store, 4);
            writer.write_all(&vec![0; size]).unwrap();
            writer.finish().unwrap();
            store.until(operation).await;
            upload.abort().await;
            assert_eq!(store.pending(), Vec::<String>::new(), "{operation:?}");
            assert_eq!(store.staged_keys(), Vec::<String>::new(), "{operation:?}");
        }
    }

    #[tokio::test]
    async fn a_staged_object_that_cannot_be_made_is_an_error_that_leaves_nothing() {
        for (size, operation) in [(1, Operation::Put), (2 * PART, Operation::Complete)] {
            let store = Fake::new();
            store.fail(operation, denied);
            let (writer, upload) = start_copy(&store, 4);
            write(writer, vec![0; size]).await.unwrap();
            let error = upload
                .finish(1, Timestamp::UNIX_EPOCH, &Stop::never())
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Auth);
            assert_eq!(store.pending(), Vec::<String>::new());
            assert_eq!(store.staged_keys(), Vec::<String>::new());
        }
    }
}
