//! From record batches to staged files, on a thread of its own: encoding and compressing take a
//! core, and go on while the session decodes the next batch and the parts of the last ones are on
//! their way to S3.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::keys::{Author, FileName, PathPrefix};
use crate::mapping::{Batch, ColumnType, Inexact, Rescued, Schema};
use crate::parquet::{File, FileOptions, FileSummary, PageMemory, Sink};
use crate::report::{End, FileReport, Published};
use crate::stop::Stop;
use crate::store::{ObjectStore, PartPool, PartWriter, Target, Upload, Way, abort_uploads};

/// The field in which the runtime tells when a document was published.
const PUBLISHED_AT: &str = "flow_published_at";

/// The batches that wait for the encoder, at most.
const BATCHES: usize = 2;

/// The bytes of values and pages that open files may hold, all together. Beyond it a row group ends
/// early, and then a file.
const VALUES_BYTES: usize = 32 << 20;

/// The bytes that open files may hold with all that they need besides: a table of a thousand
/// columns needs 17 MiB before its first row. Beyond it a row group ends early, and then a file.
const MEMORY_BYTES: usize = 64 << 20;

/// What the encoder knows of a binding.
#[derive(Clone, Debug)]
pub struct FilePlan {
    /// Where its files go.
    pub prefix: PathPrefix,
    /// The place where they are staged.
    pub staging_place: String,
    /// The backfill that they belong to.
    pub backfill: u32,
    /// Their columns.
    pub schema: Arc<Schema>,
    /// How they are written.
    pub options: FileOptions,
    /// The encoded bytes at which a file ends.
    pub file_bytes: u64,
    /// The number of its next file.
    pub counter: u64,
}

/// What a session's files have in common.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// The session itself, which their keys name.
    pub author: Author,
    /// The way in which they are staged.
    pub way: Way,
}

/// A file that is written to its last byte, though parts of it may still be on their way.
#[derive(Debug)]
pub struct WrittenFile {
    /// The index of its binding.
    pub binding: usize,
    /// Its parts on their way.
    pub upload: Upload,
    /// What is to be told of it.
    pub report: FileReport,
}

/// Rows on their way to the encoder.
#[derive(Debug)]
pub struct BatchOf {
    /// The index of their binding.
    pub binding: usize,
    /// The rows.
    pub batch: Batch,
    /// When their transaction began, for the date patterns of prefixes.
    pub began_at: Timestamp,
    /// The time that went into decoding them.
    pub decoding: Duration,
}

#[derive(Debug)]
enum Command {
    Write(BatchOf),
    Finish(oneshot::Sender<Vec<WrittenFile>>),
}

/// The encoder's end that the session holds.
#[derive(Debug)]
pub struct Staging {
    commands: mpsc::Sender<Command>,
    pool: PartPool,
    thread: thread::JoinHandle<Result<()>>,
}

impl Staging {
    /// Starts the encoder. Must be called within a tokio runtime, which carries the uploads.
    pub fn start<S: ObjectStore>(
        store: S,
        pool: PartPool,
        plans: Vec<FilePlan>,
        session: Session,
        random: fastrand::Rng,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(BATCHES);
        let runtime = Handle::current();
        let encoder = Encoder {
            store,
            pool: pool.clone(),
            plans,
            session,
            random,
            page_memory: PageMemory::default(),
            open: BTreeMap::new(),
            written: Vec::new(),
        };
        let thread = thread::spawn(move || encoder.run(&runtime, receiver));
        Self {
            commands,
            pool,
            thread,
        }
    }

    /// Hands rows to the encoder; waits while it is behind. Fails with what stopped the encoder, an
    /// upload above all.
    pub async fn write(&mut self, batch: BatchOf) -> Result<()> {
        self.send(Command::Write(batch)).await
    }

    /// Ends the files of the transaction, and returns them in the order of their keys within each
    /// binding.
    pub async fn finish(&mut self) -> Result<Vec<WrittenFile>> {
        let (reply, written) = oneshot::channel();
        self.send(Command::Finish(reply)).await?;
        match written.await {
            Ok(written) => Ok(written),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Throws away what was not handed over by [`Staging::finish`], and waits for that as far as it
    /// can be done.
    pub async fn abort(self) {
        // The encoder must neither wait for parts on their way nor take up what is queued.
        self.pool.close();
        drop(self.commands);
        // An encoder that failed has said so to whoever wrote to it.
        let _ = tokio::task::spawn_blocking(|| self.thread.join()).await;
    }

    async fn send(&mut self, command: Command) -> Result<()> {
        match self.commands.send(command).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Why the encoder no longer takes commands.
    async fn failure(&mut self) -> Error {
        let ended = thread::spawn(|| Ok(()));
        let thread = std::mem::replace(&mut self.thread, ended);
        match tokio::task::spawn_blocking(|| thread.join()).await {
            Ok(Ok(Err(error))) => error,
            Ok(Err(panic)) => Error::internal(format!(
                "the encoder panicked: {}. This is a bug: please report it",
                panic_message(&*panic)
            )),
            _ => Error::internal("the encoder broke off: please report this"),
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied())
        .unwrap_or("no message")
}

impl Sink for PartWriter {
    fn write_page(&mut self, page: Bytes) -> io::Result<()> {
        PartWriter::write_page(self, page)
    }

    fn held_bytes(&self) -> usize {
        self.buffered()
    }
}

/// A file that is being written.
struct OpenFile {
    file: File<PartWriter>,
    upload: Upload,
    rescued: Rescued,
    inexact: Inexact,
    decoding: Duration,
    encoding: Duration,
}

impl OpenFile {
    /// The bytes of memory that values and pages take, until S3 has them.
    fn values_bytes(&self) -> usize {
        self.file.row_group_values_bytes() + self.file.sink_bytes()
    }

    /// The bytes of memory that it takes in all.
    fn memory_bytes(&self) -> usize {
        self.file.row_group_memory_bytes()
            + self.file.metadata_memory_bytes()
            + self.file.sink_bytes()
    }
}

/// The thread's own state.
struct Encoder<S> {
    store: S,
    pool: PartPool,
    plans: Vec<FilePlan>,
    session: Session,
    random: fastrand::Rng,
    page_memory: PageMemory,
    open: BTreeMap<usize, OpenFile>,
    written: Vec<WrittenFile>,
}

impl<S: ObjectStore> Encoder<S> {
    /// Takes commands until there are no more; then gives up what nobody has asked for.
    fn run(mut self, runtime: &Handle, mut commands: mpsc::Receiver<Command>) -> Result<()> {
        let _within_runtime = runtime.enter();
        let result = loop {
            match commands.blocking_recv() {
                None => break Ok(()),
                Some(_) if self.pool.is_closed() => break Ok(()),
                Some(command) => {
                    if let Err(error) = self.handle(runtime, command) {
                        break Err(error);
                    }
                }
            }
        };
        commands.close();
        let open = std::mem::take(&mut self.open)
            .into_values()
            .map(|open| open.upload);
        let written = std::mem::take(&mut self.written)
            .into_iter()
            .map(|file| file.upload);
        runtime.block_on(abort_uploads(open.chain(written)));
        result
    }

    fn handle(&mut self, runtime: &Handle, command: Command) -> Result<()> {
        match command {
            Command::Write(batch) => {
                let binding = batch.binding;
                if let Err(error) = self.write(batch) {
                    return Err(self.cause(runtime, binding, error));
                }
                self.keep_within_memory(runtime)
            }
            Command::Finish(reply) => {
                while let Some((&binding, _)) = self.open.first_key_value() {
                    self.end_file(runtime, binding, End::Transaction)?;
                }
                // A session that has ended no longer waits, and the files are thrown away in the
                // end.
                if let Err(written) = reply.send(std::mem::take(&mut self.written)) {
                    self.written = written;
                }
                Ok(())
            }
        }
    }

    fn write(&mut self, batch: BatchOf) -> Result<()> {
        // Before each batch, values and pages take no more than parts on their way may, wherever
        // they are: so they have a ceiling.
        self.pool.wait_for_room(self.sum(OpenFile::values_bytes));
        let began = Instant::now();
        let BatchOf {
            binding,
            batch,
            began_at,
            decoding,
        } = batch;
        if !self.open.contains_key(&binding) {
            let file = self.begin_file(binding, began_at)?;
            self.open.insert(binding, file);
        }
        let open = self.open.get_mut(&binding).expect("it has just been begun");
        open.file.write(&batch.records)?;
        for (misfit, count) in batch.rescued {
            *open.rescued.entry(misfit).or_default() += count;
        }
        for (column, count) in batch.inexact {
            *open.inexact.entry(column).or_default() += count;
        }
        open.decoding += decoding;
        open.encoding += began.elapsed();
        Ok(())
    }

    fn begin_file(&mut self, binding: usize, began_at: Timestamp) -> Result<OpenFile> {
        let plan = &mut self.plans[binding];
        let name = FileName {
            author: self.session.author,
            counter: plan.counter,
            token: self.random.u64(..),
        };
        plan.counter += 1;
        let target = Target {
            way: self.session.way,
            key: name.key(&plan.prefix, plan.backfill, began_at),
            staged_key: name.staged_key(&plan.staging_place),
            token: format!("{:016x}", name.token),
        };
        let (writer, upload) = Upload::start(&self.store, &self.pool, target);
        Ok(OpenFile {
            file: File::new(
                writer,
                &plan.schema.arrow(),
                &plan.options,
                self.page_memory.clone(),
            )?,
            upload,
            rescued: Rescued::new(),
            inexact: Inexact::new(),
            decoding: Duration::ZERO,
            encoding: Duration::ZERO,
        })
    }

    /// Ends what is too large: files, then row groups, then files again.
    fn keep_within_memory(&mut self, runtime: &Handle) -> Result<()> {
        let full = |(binding, open): (&usize, &OpenFile)| {
            (open.file.bytes() >= self.plans[*binding].file_bytes).then_some(*binding)
        };
        if let Some(binding) = self.open.iter().find_map(full) {
            self.end_file(runtime, binding, End::Size)?;
        }
        while let Some((&binding, open)) = self.too_large() {
            if 2 * open.file.row_group_memory_bytes() > open.memory_bytes() {
                self.end_row_group(runtime, binding)?;
            } else {
                self.end_file(runtime, binding, End::Memory)?;
            }
        }
        Ok(())
    }

    /// The file that takes most of what all together have too much of.
    fn too_large(&self) -> Option<(&usize, &OpenFile)> {
        let bytes = if self.sum(OpenFile::values_bytes) > VALUES_BYTES {
            OpenFile::values_bytes
        } else if self.sum(OpenFile::memory_bytes) > MEMORY_BYTES {
            OpenFile::memory_bytes
        } else {
            return None;
        };
        self.open.iter().max_by_key(|(_, open)| bytes(open))
    }

    fn sum(&self, bytes: fn(&OpenFile) -> usize) -> usize {
        self.open.values().map(bytes).sum()
    }

    fn end_row_group(&mut self, runtime: &Handle, binding: usize) -> Result<()> {
        let Some(open) = self.open.get_mut(&binding) else {
            return Ok(());
        };
        let began = Instant::now();
        let ended = open.file.end_row_group();
        open.encoding += began.elapsed();
        ended.map_err(|error| self.cause(runtime, binding, error))
    }

    fn end_file(&mut self, runtime: &Handle, binding: usize, end: End) -> Result<()> {
        let Some(open) = self.open.remove(&binding) else {
            return Ok(());
        };
        let OpenFile {
            file,
            upload,
            rescued,
            inexact,
            decoding,
            encoding,
        } = open;
        let began = Instant::now();
        let tells_published = tells_published(&self.plans[binding].schema);
        let (summary, published) = match finish(file, tells_published) {
            Ok(finished) => finished,
            Err(error) => return Err(upload_failure(runtime, upload, error)),
        };
        let encoding = encoding + began.elapsed();
        let report = FileReport {
            summary,
            published,
            rescued,
            inexact,
            end,
            decoding,
            encoding,
        };
        self.written.push(WrittenFile {
            binding,
            upload,
            report,
        });
        Ok(())
    }

    /// Why a file cannot be written.
    fn cause(&mut self, runtime: &Handle, binding: usize, error: Error) -> Error {
        match self.open.remove(&binding) {
            Some(OpenFile { file, upload, .. }) => {
                drop(file);
                upload_failure(runtime, upload, error)
            }
            None => error,
        }
    }
}

/// Whether files say when their documents were published. A user's field of that name, whose
/// values are no instants, does not.
fn tells_published(schema: &Schema) -> bool {
    let mut columns = schema.columns().iter();
    columns
        .any(|column| column.field == PUBLISHED_AT && column.column_type == ColumnType::Timestamp)
}

/// Ends a file, and tells between which instants its documents were published, where it says so.
fn finish(
    mut file: File<PartWriter>,
    tells_published: bool,
) -> Result<(FileSummary, Option<Published>)> {
    file.end_row_group()?;
    let bounds = tells_published.then(|| file.bounds(PUBLISHED_AT)).flatten();
    let published = bounds.and_then(Published::of_micros);
    let (writer, summary) = file.finish()?;
    writer.finish().map_err(upload_ended)?;
    Ok((summary, published))
}

fn upload_ended(error: io::Error) -> Error {
    Error::internal("the end of a Parquet file cannot be written").with_source(error)
}

/// The encoder only learns that the upload of a file has ended; the upload, whose writer must be
/// gone, knows why.
fn upload_failure(runtime: &Handle, upload: Upload, error: Error) -> Error {
    match runtime.block_on(upload.finish(0, Timestamp::UNIX_EPOCH, &Stop::never())) {
        Err(cause) if cause.kind() != ErrorKind::Internal => cause,
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    use parquet::basic::{Compression, ZstdLevel};

    use super::*;
    use crate::config::JsonColumns;
    use crate::parquet::CompressorMemory;
    use crate::protocol::flow;
    use crate::store::PartLimits;
    use crate::store::fake::Fake;

    const MIB: usize = 1 << 20;
    const TEXT_BYTES: usize = 40;

    fn schema(columns: usize) -> Arc<Schema> {
        let fields: Vec<_> = (0..columns).map(|column| format!("f{column}")).collect();
        let inference = flow::Inference {
            types: vec!["string".to_owned()],
            ..Default::default()
        };
        let projections = fields.iter().map(|field| flow::Projection {
            ptr: format!("/{field}"),
            field: field.clone(),
            inference: Some(inference.clone()),
            ..Default::default()
        });
        let collection = flow::CollectionSpec {
            projections: projections.collect(),
            ..Default::default()
        };
        let selection = flow::FieldSelection {
            values: fields,
            ..Default::default()
        };
        Arc::new(Schema::new(&collection, &selection, JsonColumns::String, false).unwrap())
    }

    fn plan(schema: &Arc<Schema>, compression: Compression) -> FilePlan {
        FilePlan {
            prefix: "load".parse().unwrap(),
            staging_place: "load".to_owned(),
            backfill: 0,
            schema: Arc::clone(schema),
            options: FileOptions {
                compression,
                compressor_memory: CompressorMemory::of(compression),
                row_group_rows: usize::MAX,
                row_group_bytes: u64::MAX,
                metadata: Arc::new([]),
            },
            file_bytes: u64::MAX,
            counter: 0,
        }
    }

    /// Writes a MiB of rows at a time, of texts that hardly compress, to `bindings` of that many
    /// columns in turn.
    async fn write(
        bindings: usize,
        columns: usize,
        compression: Compression,
        mib: usize,
    ) -> Vec<FileReport> {
        let schema = schema(columns);
        let mut staging = Staging::start(
            Fake::new(),
            PartPool::new(PartLimits::default()),
            vec![plan(&schema, compression); bindings],
            Session {
                author: Author {
                    key_begin: 0,
                    writer: 0,
                },
                way: Way::Multipart,
            },
            fastrand::Rng::with_seed(7),
        );
        let mut random = fastrand::Rng::with_seed(7);
        let letters: String = (0..MIB).map(|_| random.alphanumeric()).collect();
        let rows = MIB / (TEXT_BYTES * columns);
        let mut column = || {
            let from = (0..rows).map(|_| random.usize(..MIB - TEXT_BYTES));
            let texts = from.map(|from| &letters[from..][..TEXT_BYTES]);
            Arc::new(StringArray::from_iter_values(texts)) as ArrayRef
        };
        for index in 0..mib {
            let columns = (0..columns).map(|_| column()).collect();
            let batch = Batch {
                records: RecordBatch::try_new(schema.arrow(), columns).unwrap(),
                rescued: Rescued::new(),
                inexact: Inexact::new(),
            };
            let batch = BatchOf {
                binding: index % bindings,
                batch,
                began_at: Timestamp::UNIX_EPOCH,
                decoding: Duration::ZERO,
            };
            staging.write(batch).await.unwrap();
        }
        let files = staging.finish().await.unwrap();
        let written: u64 = files.iter().map(|file| file.report.summary.rows).sum();
        assert_eq!(written, (mib * rows) as u64);
        files.into_iter().map(|file| file.report).collect()
    }

    fn ends(files: &[FileReport], end: End) -> usize {
        files.iter().filter(|file| file.end == end).count()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_row_group_ends_before_it_takes_more_memory_than_there_is() {
        let files = write(1, 1, Compression::UNCOMPRESSED, 100).await;
        assert_eq!(ends(&files, End::Transaction), 1);
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].summary.row_groups, 4);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_thousand_columns_take_themselves_leaves_rows_their_memory() {
        let files = write(1, 1_000, Compression::ZSTD(ZstdLevel::default()), 60).await;
        assert_eq!(files.len(), 1);
        let row_groups = files[0].summary.row_groups;
        assert!(row_groups <= 8, "{row_groups} row groups");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_end_where_many_of_them_take_more_memory_than_there_is() {
        // More than 4 MiB of each do not fit.
        let files = write(10, 1, Compression::UNCOMPRESSED, 60).await;
        assert_eq!(ends(&files, End::Size), 0);
        assert!(ends(&files, End::Memory) > 0);
        assert!(files.len() < 20, "{} files", files.len());
    }
}
