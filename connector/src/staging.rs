//! From record batches to staged files, on a thread of its own: encoding and compressing take a core, and go on while the session
//! decodes the next batch and the parts of the last ones are on their way to S3.

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

use crate::config::PathPrefix;
use crate::error::{Error, ErrorKind, Result};
use crate::keys::FileKey;
use crate::mapping::{Batch, Rescued, Schema};
use crate::parquet::{File, FileOptions, PageMemory, Sink};
use crate::report::{End, FileReport};
use crate::store::{ObjectStore, PartPool, PartWriter, Upload};

/// The batches that wait for the encoder, at most.
const BATCHES: usize = 2;

/// The bytes that open files may hold in memory, all together. Beyond it a row group ends early, and then a file.
const MEMORY_BYTES: usize = 32 << 20;

/// What the encoder knows of a binding.
#[derive(Clone, Debug)]
pub struct FilePlan {
    /// Where its files go.
    pub prefix: PathPrefix,
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

/// What the keys of a shard's files have in common.
#[derive(Clone, Copy, Debug)]
pub struct Shard {
    /// The hash of the task's name.
    pub task: u32,
    /// The beginning of the shard's key range.
    pub key_begin: u32,
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
        shard: Shard,
        random: fastrand::Rng,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(BATCHES);
        let runtime = Handle::current();
        let encoder = Encoder {
            store,
            pool: pool.clone(),
            plans,
            shard,
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

    /// Hands rows to the encoder; waits while it is behind. Fails with what stopped the encoder, an upload above all.
    pub async fn write(&mut self, batch: BatchOf) -> Result<()> {
        self.send(Command::Write(batch)).await
    }

    /// Ends the files of the transaction, and returns them in the order of their keys within each binding.
    pub async fn finish(&mut self) -> Result<Vec<WrittenFile>> {
        let (reply, written) = oneshot::channel();
        self.send(Command::Finish(reply)).await?;
        match written.await {
            Ok(written) => Ok(written),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Throws away what was not handed over by [`Staging::finish`], and waits for that as far as it can be done.
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
}

/// A file that is being written.
struct OpenFile {
    file: File<PartWriter>,
    upload: Upload,
    rescued: Rescued,
    decoding: Duration,
    encoding: Duration,
}

impl OpenFile {
    fn memory_bytes(&self) -> usize {
        self.file.row_group_memory_bytes()
            + self.file.metadata_memory_bytes()
            + self.file.sink().buffered()
    }
}

/// The thread's own state.
struct Encoder<S> {
    store: S,
    pool: PartPool,
    plans: Vec<FilePlan>,
    shard: Shard,
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
        for upload in open.chain(written) {
            runtime.block_on(upload.abort());
        }
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
                // A session that has ended no longer waits; its uploads are dropped, and so aborted.
                let _ = reply.send(std::mem::take(&mut self.written));
                Ok(())
            }
        }
    }

    fn write(&mut self, batch: BatchOf) -> Result<()> {
        // Before each batch, what is open and what is on its way take no more than all places do: so pages have a ceiling.
        self.pool.wait_for_room(self.open_bytes());
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
        open.decoding += decoding;
        open.encoding += began.elapsed();
        Ok(())
    }

    fn begin_file(&mut self, binding: usize, began_at: Timestamp) -> Result<OpenFile> {
        let plan = &mut self.plans[binding];
        let token = self.random.u64(..);
        let key = FileKey {
            backfill: plan.backfill,
            key_begin: self.shard.key_begin,
            counter: plan.counter,
            task: self.shard.task,
            token,
        };
        plan.counter += 1;
        let key = key.under(&plan.prefix.render(began_at));
        let (writer, upload) = Upload::start(&self.store, &self.pool, key, format!("{token:016x}"));
        Ok(OpenFile {
            file: File::new(
                writer,
                plan.schema.arrow(),
                &plan.options,
                self.page_memory.clone(),
            )?,
            upload,
            rescued: Rescued::new(),
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
        while self.open_bytes() > MEMORY_BYTES {
            let largest = self.open.iter().max_by_key(|(_, open)| open.memory_bytes());
            let Some((&binding, open)) = largest else {
                break;
            };
            if 2 * open.file.row_group_memory_bytes() > open.memory_bytes() {
                self.end_row_group(runtime, binding)?;
            } else {
                self.end_file(runtime, binding, End::Memory)?;
            }
        }
        Ok(())
    }

    /// The bytes that open files hold in memory.
    fn open_bytes(&self) -> usize {
        self.open.values().map(OpenFile::memory_bytes).sum()
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
            decoding,
            encoding,
        } = open;
        let began = Instant::now();
        let finished = file.finish().and_then(|(writer, summary)| {
            writer.finish().map_err(upload_ended)?;
            Ok(summary)
        });
        let summary = match finished {
            Ok(summary) => summary,
            Err(error) => return Err(upload_failure(runtime, upload, error)),
        };
        let encoding = encoding + began.elapsed();
        let report = FileReport {
            summary,
            rescued,
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

fn upload_ended(error: io::Error) -> Error {
    Error::internal("the end of a Parquet file cannot be written").with_source(error)
}

/// The encoder only learns that the upload of a file has ended; the upload, whose writer must be gone, knows why.
fn upload_failure(runtime: &Handle, upload: Upload, error: Error) -> Error {
    match runtime.block_on(upload.finish(0, Timestamp::UNIX_EPOCH)) {
        Err(cause) if cause.kind() != ErrorKind::Internal => cause,
        _ => error,
    }
}
