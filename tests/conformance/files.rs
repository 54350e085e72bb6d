//! Files as they stand in the bucket: where one ends and the next begins, what is in their footers,
//! and how they were uploaded.

use std::fs;
use std::path::PathBuf;

use flow_sim::run::{Bucket, Location, Options, Store};
use flow_sim::s3;
use flow_sim::staging::is_staged;
use insta::assert_snapshot;
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData};
use parquet::file::metadata::{ParquetMetaDataReader, RowGroupMetaData};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::runs::{MadeUp, kept_files, of_file, play};
use crate::snapshot;

const MIB: u64 = 1 << 20;

/// Letters that no compression makes much of.
fn letters(random: &mut fastrand::Rng, count: usize) -> String {
    std::iter::repeat_with(|| random.alphanumeric())
        .take(count)
        .collect()
}

/// A file that the connector has written.
struct Written {
    bytes: u64,
    metadata: ParquetMetaData,
}

/// Plays a made-up catalog, and returns its files in the order of their names, with their page
/// indexes.
async fn written(catalog: &MadeUp) -> Vec<Written> {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("files");
    let options = Options {
        output: Some(output.clone()),
        ..of_file(catalog.write(folder.path()))
    };
    play(&options).await;
    kept_files(&output).iter().map(read).collect()
}

fn read(path: &PathBuf) -> Written {
    let bytes = fs::read(path).unwrap();
    let metadata = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Required)
        .parse_and_finish(&bytes::Bytes::from(bytes.clone()))
        .unwrap();
    Written {
        bytes: bytes.len() as u64,
        metadata,
    }
}

fn rows(written: &Written) -> i64 {
    written.metadata.file_metadata().num_rows()
}

/// A catalog of one binding and one text per document.
fn texts(advanced: Value, resource: Value, transactions: Vec<Vec<String>>) -> MadeUp {
    let mut ids = 0..;
    let mut document =
        |text| json!({"id": ids.next().expect("there is always a next"), "text": text});
    MadeUp {
        properties: json!({"text": {"type": "string"}}),
        advanced,
        resources: vec![resource],
        transactions: transactions
            .into_iter()
            .map(|texts| texts.into_iter().map(&mut document).collect())
            .collect(),
    }
}

fn random_texts(count: usize, length: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    std::iter::repeat_with(|| letters(&mut random, length))
        .take(count)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_size_limit_holds_closely() {
    // Letters of 62 kinds take three quarters of their bytes, once compressed.
    for (compression, count) in [("none", 8), ("zstd", 6)] {
        let catalog = texts(
            json!({"fileSizeLimit": MIB}),
            json!({"pathPrefix": "files", "compressionType": compression}),
            vec![random_texts(5_000, 1_000), random_texts(2_500, 1_001)],
        );
        let files = written(&catalog).await;
        assert_eq!(files.len(), count);
        assert_eq!(files.iter().map(rows).sum::<i64>(), 7_500);
        // But for the last file of each transaction. What is not compressed yet counts as it is, so
        // some end early.
        let ended_full = |file: &&Written| file.bytes > MIB - MIB / 4;
        let full = files.iter().filter(ended_full).count();
        assert!(full >= count - 2, "{full} of {count}");
        for file in &files {
            assert!(file.bytes < MIB + MIB / 8, "{} bytes", file.bytes);
        }
    }
}

fn row_groups(file: &Written) -> Vec<i64> {
    let groups = file.metadata.row_groups().iter();
    groups.map(RowGroupMetaData::num_rows).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_limit_of_a_row_group_holds_to_the_row() {
    let catalog = texts(
        json!({"rowGroupRowLimit": 1_000}),
        json!({"pathPrefix": "files"}),
        vec![random_texts(20_500, 5)],
    );
    let files = written(&catalog).await;
    assert_eq!(files.len(), 1);
    let mut expected = vec![1_000; 20];
    expected.push(500);
    assert_eq!(row_groups(&files[0]), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_byte_limit_of_a_row_group_holds_closely() {
    const LIMIT: i64 = 256 << 10;
    for compression in ["none", "snappy", "zstd"] {
        let catalog = texts(
            json!({"rowGroupByteLimit": LIMIT}),
            json!({"pathPrefix": "files", "compressionType": compression}),
            vec![random_texts(20_000, 200)],
        );
        let files = written(&catalog).await;
        let groups = files[0].metadata.row_groups();
        assert!(groups.len() > 10, "{compression}: {}", groups.len());
        for group in &groups[..groups.len() - 1] {
            let bytes = group.compressed_size();
            let closely = LIMIT - LIMIT / 4..LIMIT + LIMIT / 4;
            assert!(closely.contains(&bytes), "{compression}: {bytes} bytes");
        }
    }
}

const STATUS: [&str; 3] = ["new", "paid", "sent"];

/// A file of every kind of column, with more rows than a page takes.
async fn of_every_kind() -> Written {
    let mut random = fastrand::Rng::with_seed(7);
    let document = |id: usize| {
        json!({
            "id": id,
            "boolean": id.is_multiple_of(2),
            "number": id as f64 / 8.0,
            "status": STATUS[id % STATUS.len()],
            "random": letters(&mut random, 64),
            "long": format!("{}{id}", "long".repeat(50)),
            "day": format!("2024-01-{:02}", id % 31 + 1),
            "at": format!("2024-01-01T00:{:02}:{:02}Z", id / 60 % 60, id % 60),
            "bytes": "AAAA",
            "list": [id],
            "never": null,
        })
    };
    let string = |format: &str| json!({"type": "string", "format": format});
    let catalog = MadeUp {
        properties: json!({
            "boolean": {"type": "boolean"},
            "number": {"type": "number"},
            "status": {"type": "string"},
            "random": {"type": "string"},
            "long": {"type": "string"},
            "day": string("date"),
            "at": string("date-time"),
            "bytes": {"type": "string", "contentEncoding": "base64"},
            "list": {"type": ["array", "string"]},
            "never": {"type": ["integer", "null"]},
        }),
        advanced: json!({}),
        resources: vec![json!({"pathPrefix": "files", "compressionType": "none"})],
        transactions: vec![(0..40_000).map(document).collect()],
    };
    written(&catalog).await.pop().unwrap()
}

fn column<'a>(file: &'a Written, name: &str) -> &'a ColumnChunkMetaData {
    let columns = file.metadata.row_group(0).columns();
    let found = columns
        .iter()
        .find(|column| column.column_path().parts() == [name]);
    found.unwrap_or_else(|| panic!("no column {name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn footers_have_statistics_and_page_indexes_and_long_texts_are_cut_in_them() {
    let file = of_every_kind().await;
    let columns = file.metadata.row_group(0).columns();
    for column in columns {
        let name = column.column_path();
        assert!(column.column_index_offset().is_some(), "{name}");
        assert!(column.offset_index_offset().is_some(), "{name}");
        let statistics = column.statistics().unwrap_or_else(|| panic!("{name}"));
        let has_values = !["never", "flow_rescued", "flow_exact"].contains(&name.string().as_str());
        assert_eq!(statistics.min_bytes_opt().is_some(), has_values, "{name}");
        let nulls = if has_values { 0 } else { 40_000 };
        assert_eq!(statistics.null_count_opt(), Some(nulls), "{name}");
    }
    let long = column(&file, "long").statistics().unwrap();
    assert_eq!(long.min_bytes_opt().unwrap().len(), 64);
    assert!(!long.min_is_exact() && !long.max_is_exact());
    let id = column(&file, "id").statistics().unwrap();
    assert_eq!(id.max_bytes_opt().unwrap(), 39_999_i64.to_le_bytes());
    let status = column(&file, "status").statistics().unwrap();
    assert_eq!(status.max_bytes_opt().unwrap(), b"sent");
    assert!(status.max_is_exact());
}

/// The bytes of a column's dictionary page, header included.
fn dictionary_bytes(column: &ColumnChunkMetaData) -> i64 {
    column
        .dictionary_page_offset()
        .map_or(0, |begin| column.data_page_offset() - begin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dictionary_is_kept_where_it_pays_and_given_up_where_it_does_not() {
    let file = of_every_kind().await;
    // Three words need two bits a row.
    let status = column(&file, "status");
    assert!(dictionary_bytes(status) > 0);
    let bytes = status.compressed_size();
    assert!(bytes < 40_000 * 2 / 8 + 2_000, "{bytes} bytes");
    // No two values are the same: as they are, each with the length before it.
    let random = column(&file, "random");
    assert!(
        random
            .encodings()
            .any(|encoding| encoding == Encoding::PLAIN)
    );
    let plain = 40_000 * (64 + 4);
    let bytes = random.compressed_size();
    assert!(bytes < plain + plain / 20, "{bytes} bytes for {plain}");
    // What was tried in vain stays in the file, but it is no large part of it.
    let dictionary = dictionary_bytes(random);
    assert!(dictionary <= 2 * MIB as i64, "{dictionary} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_of_compression_is_taken() {
    let words = ["order", "paid", "sent", "lorem", "ipsum", "dolor", "sit"];
    let mut random = fastrand::Rng::with_seed(1);
    let mut text = || {
        let word = |_| random.choice(words).expect("there are words");
        (0..50).map(word).collect::<Vec<_>>().join(" ")
    };
    let texts_of_words: Vec<String> = std::iter::repeat_with(&mut text).take(3_000).collect();
    for (compression, least, most) in [("gzip", 1, 9), ("zstd", 1, 19)] {
        let mut sizes = Vec::new();
        for level in [least, most] {
            let catalog = texts(
                json!({"compressionLevel": level}),
                json!({"pathPrefix": "files", "compressionType": compression}),
                vec![texts_of_words.clone()],
            );
            sizes.push(written(&catalog).await[0].bytes);
        }
        assert!(
            sizes[1] < sizes[0] - sizes[0] / 20,
            "{compression}: {sizes:?}"
        );
    }
}

/// What the journal says of the parts of each upload, in the order of their numbers.
fn part_bytes(journal: &[s3::Entry]) -> Vec<u64> {
    // Validate and Apply upload a part too, of which no file becomes.
    let is_of_file =
        |entry: &&s3::Entry| !is_staged(entry.target.key.as_deref().unwrap_or_default());
    let parts = journal
        .iter()
        .filter(is_of_file)
        .filter_map(|entry| Some((entry.target.part?, entry.bytes)));
    let mut parts: Vec<(u32, u64)> = parts.collect();
    parts.sort_unstable();
    assert!(
        parts
            .iter()
            .map(|(number, _)| *number)
            .eq(1..=parts.len() as u32)
    );
    parts.into_iter().map(|(_, bytes)| bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_eight_mebibytes_and_objects_say_what_they_are() {
    let options = s3::Options::default();
    let (access_key_id, secret_access_key) = (
        options.access_key_id.clone(),
        options.secret_access_key.clone(),
    );
    let server = s3::Server::start(options).await.unwrap();
    let store = Store::At(Location {
        endpoint: server.endpoint(),
        region: "us-east-1".to_owned(),
        access_key_id,
        secret_access_key,
        session_token: None,
    });
    let catalog = texts(
        json!({}),
        json!({"pathPrefix": "files", "compressionType": "none"}),
        vec![random_texts(200, 100_000)],
    );
    let folder = TempDir::new().unwrap();
    let report = play(&Options {
        store: store.clone(),
        ..of_file(catalog.write(folder.path()))
    })
    .await;
    let file = &report.bindings[0].files[0];
    let parts = part_bytes(&server.journal());
    assert_eq!(parts[..2], [8 * MIB, 8 * MIB]);
    assert_eq!(parts.len(), 3);
    assert_eq!(parts.iter().sum::<u64>(), file.bytes);
    assert_eq!(server.unsupported(), []);

    let bucket = Bucket::open(&store, Some(&report.bucket), 0).await.unwrap();
    let head = bucket.client().head_object();
    let head = head
        .bucket(&bucket.name)
        .key(&file.key)
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_type(), Some("application/vnd.apache.parquet"));
    assert_eq!(head.content_length(), Some(file.bytes as i64));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_says_of_itself_is_pinned() {
    let catalog = texts(
        json!({}),
        json!({"pathPrefix": "files"}),
        vec![vec!["a".to_owned(), "b".to_owned()]],
    );
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("files");
    play(&Options {
        output: Some(output.clone()),
        ..of_file(catalog.write(folder.path()))
    })
    .await;
    let footer = snapshot::footer(&kept_files(&output)[0]);
    snapshot::settings().bind(|| assert_snapshot!("footer", footer));
}
