//! The connector's stages one by one, in memory: where the time of `flow-sim bench` goes.
//!
//! Every figure is of the documents' bytes as JSON, whatever a stage reads of them, so that stages
//! and codecs can be compared: a connector that did one after the other on one core would take the
//! sum of their times.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use flow_sim::bench::{Shape, Stream, Variant, collection};
use flow_sim::s3::{Options, Server};
use jiff::Timestamp;
use materialize_s3_parquet::binding::Binding;
use materialize_s3_parquet::checkpoint::Location;
use materialize_s3_parquet::config::{Checksums, Compression, EndpointConfig, JsonColumns};
use materialize_s3_parquet::mapping::{BatchBuilder, Schema};
use materialize_s3_parquet::parquet::{CompressorMemory, File, FileOptions, PageMemory, codec};
use materialize_s3_parquet::protocol::{Found, FrameIndex, Materialization, Store, flow};
use materialize_s3_parquet::stop::Stop;
use materialize_s3_parquet::store::{
    ATTEMPTS, Haste, PartLimits, PartPool, S3Options, S3Store, Target, Timeouts, Upload, Way,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The rows of a batch, as the connector has them at most.
const BATCH_ROWS: usize = 8192;

/// The bytes of a batch, as the connector has them about.
const BATCH_BYTES: usize = 2 << 20;

/// The bytes that are uploaded in an iteration: some parts, of which several are on their way at
/// once.
const UPLOAD_BYTES: usize = 64 << 20;

/// So many documents of a shape as take some milliseconds, and fill a few batches.
fn count(shape: Shape) -> usize {
    match shape {
        Shape::Wiki => 20_000,
        Shape::Tiny => 100_000,
        Shape::Big => 20,
    }
}

/// A shape's documents in every form that a stage takes.
struct Recorded {
    variant: Variant,
    stream: Stream,
    /// What was found in each read.
    found: Vec<FrameIndex>,
    schema: Arc<Schema>,
}

impl Recorded {
    fn new(shape: Shape, variant: Variant) -> Result<Self> {
        let stream = Stream::record(shape, variant, count(shape))?;
        let found = |read| {
            let mut index = FrameIndex::default();
            index.read(variant.codec(), read)?;
            Ok(index)
        };
        let (collection, selection) = collection(shape)?;
        let schema = Schema::new(&collection, &selection, JsonColumns::String, true)?;
        Ok(Self {
            variant,
            found: stream.reads().map(found).collect::<Result<_>>()?,
            stream,
            schema: Arc::new(schema),
        })
    }

    fn stores(&self) -> impl Iterator<Item = Store<'_>> {
        let reads = self.found.iter().zip(self.stream.reads());
        reads.flat_map(|(index, read)| {
            (0..index.len()).map(move |at| match index.get(at, read) {
                Some(Found::Store(store)) => store,
                other => panic!("a recording has Stores only: {other:?}"),
            })
        })
    }

    fn batches(&self) -> Result<Vec<RecordBatch>> {
        let mut builder = BatchBuilder::new(Arc::clone(&self.schema));
        let mut batches = Vec::new();
        for store in self.stores() {
            builder.append(&store)?;
            if builder.rows() >= BATCH_ROWS || builder.bytes() >= BATCH_BYTES {
                batches.push(builder.finish()?.records);
            }
        }
        batches.push(builder.finish()?.records);
        Ok(batches)
    }
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Times `work`. Fails where it does: what has failed is no figure.
fn measure<T>(
    group: &mut Group<'_>,
    id: BenchmarkId,
    mut work: impl FnMut() -> Result<T>,
) -> Result<()> {
    let mut failure = None;
    group.bench_function(id, |bencher| {
        bencher.iter(|| work().map_err(|error| failure = Some(error)));
    });
    failure.map_or(Ok(()), Err)
}

/// Finding the messages of what was read, and the parts of the Stores among them.
fn frames(group: &mut Group<'_>, id: BenchmarkId, recorded: &Recorded) -> Result<()> {
    let mut index = FrameIndex::default();
    measure(group, id, || {
        for read in recorded.stream.reads() {
            index.read(recorded.variant.codec(), read)?;
        }
        Ok(())
    })
}

/// Reading the elements of keys and values, one by one.
fn tuples(group: &mut Group<'_>, id: BenchmarkId, recorded: &Recorded) -> Result<()> {
    measure(group, id, || {
        let mut elements = 0;
        for store in recorded.stores() {
            for mut tuple in [store.key, store.values] {
                while tuple.take()?.is_some() {
                    elements += 1;
                }
            }
        }
        Ok(elements)
    })
}

/// Appending them to the columns of batches: what the tuples cost is in it.
fn builders(group: &mut Group<'_>, id: BenchmarkId, recorded: &Recorded) -> Result<()> {
    measure(group, id, || recorded.batches())
}

/// Encoding and compressing batches into a file, on the two threads that the connector uses.
fn encode(group: &mut Group<'_>, id: BenchmarkId, recorded: &Recorded) -> Result<()> {
    let batches = recorded.batches()?;
    let compression = codec(Compression::Snappy, None)?;
    let options = FileOptions {
        compression,
        compressor_memory: CompressorMemory::of(compression),
        row_group_rows: 1_000_000,
        row_group_bytes: 128 << 20,
        metadata: Arc::new([]),
    };
    let page_memory = PageMemory::default();
    measure(group, id, || {
        let (sink, schema) = (std::io::sink(), recorded.schema.arrow());
        let mut file = File::new(sink, &schema, &options, page_memory.clone())?;
        for batch in &batches {
            file.write(batch)?;
        }
        Ok(file.finish()?)
    })
}

fn decoding(criterion: &mut Criterion) -> Result<()> {
    for shape in Shape::ALL {
        let mut group = criterion.benchmark_group(shape.name());
        for variant in Variant::ALL {
            let recorded = Recorded::new(shape, variant)?;
            group.throughput(Throughput::Bytes(recorded.stream.document_bytes));
            let id = |stage| BenchmarkId::new(stage, variant.name());
            frames(&mut group, id("frames"), &recorded)?;
            tuples(&mut group, id("tuples"), &recorded)?;
            builders(&mut group, id("builders"), &recorded)?;
            if variant == Variant::Proto {
                encode(&mut group, BenchmarkId::from_parameter("encode"), &recorded)?;
            }
        }
    }
    Ok(())
}

/// A task of as many bindings with as many columns, as the proto codec brings it.
fn wide_task(bindings: usize, columns: usize) -> Result<Materialization> {
    let fields: Vec<_> = (0..columns).map(|index| format!("f{index:04}")).collect();
    let inference = flow::Inference {
        types: vec!["string".to_owned(), "null".to_owned()],
        ..Default::default()
    };
    let projections = fields.iter().map(|field| flow::Projection {
        ptr: format!("/{field}"),
        field: field.clone(),
        inference: Some(inference.clone()),
        ..Default::default()
    });
    let collection = flow::CollectionSpec {
        name: "acmeCo/wide".to_owned(),
        projections: projections.collect(),
        ..Default::default()
    };
    let selection = flow::FieldSelection {
        values: fields,
        ..Default::default()
    };
    let binding = |index| flow::materialization_spec::Binding {
        resource_config_json: format!(r#"{{"pathPrefix":"wide/{index}"}}"#).into(),
        collection: Some(collection.clone()),
        field_selection: Some(selection.clone()),
        state_key: format!("wide/{index}"),
        ..Default::default()
    };
    let specification = flow::MaterializationSpec {
        bindings: (0..bindings).map(binding).collect(),
        ..Default::default()
    };
    Ok(Materialization::try_from(&specification)?)
}

/// Reading the bindings of Open, before anything is asked of a store.
fn open(criterion: &mut Criterion) -> Result<()> {
    let config = br#"{"awsAccessKeyId":"id","awsSecretAccessKey":"secret","bucket":"bench","region":"nowhere-1",
        "uploadIntervalInSeconds":0}"#;
    let endpoint = EndpointConfig::from_json(config)?.config;
    let mut group = criterion.benchmark_group("open");
    for (bindings, columns) in [(1_000, 40), (2_000, 200)] {
        let task = wide_task(bindings, columns)?;
        group.throughput(Throughput::Elements((bindings * columns) as u64));
        let id = BenchmarkId::from_parameter(format!("{bindings}x{columns}"));
        measure(&mut group, id, || {
            Ok(Binding::all(&task, &endpoint, &(0..=u32::MAX))?)
        })?;
    }
    Ok(())
}

/// Parts to an S3 server in this process, which keeps nothing of them.
fn upload(criterion: &mut Criterion) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let server = runtime.block_on(Server::start(Options {
        buckets: vec!["bench".to_owned()],
        discard: true,
        ..Options::default()
    }));
    let server = server?;
    let store = S3Store::new(s3_options(&server));
    let pool = PartPool::new(PartLimits::default());
    let page = Bytes::from(vec![7; 1 << 20]);
    let mut group = criterion.benchmark_group("upload");
    group.throughput(Throughput::Bytes(UPLOAD_BYTES as u64));
    measure(&mut group, BenchmarkId::from_parameter("64 MiB"), || {
        let _within_runtime = runtime.enter();
        let target = Target {
            way: Way::Multipart,
            key: "file".to_owned(),
            staged_key: "file.staged".to_owned(),
            token: "0".repeat(16),
        };
        let (mut writer, upload) = Upload::start(&store, &pool, target);
        for _ in 0..UPLOAD_BYTES / page.len() {
            writer.write_page(page.clone())?;
        }
        writer.finish()?;
        Ok(runtime.block_on(upload.finish(1, Timestamp::UNIX_EPOCH, &Stop::never()))?)
    })
}

fn s3_options(server: &Server) -> S3Options {
    let known = Options::default();
    S3Options {
        location: Location {
            bucket: "bench".to_owned(),
            region: known.region.unwrap_or_default(),
            endpoint: Some(server.endpoint()),
            path_style: true,
        },
        access_key_id: known.access_key_id,
        secret_access_key: known.secret_access_key,
        checksums: Checksums::default(),
        attempts: ATTEMPTS,
        haste: Haste::NONE,
        timeouts: Timeouts::default(),
        http_client: None,
    }
}

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    decoding(&mut criterion)?;
    open(&mut criterion)?;
    upload(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
