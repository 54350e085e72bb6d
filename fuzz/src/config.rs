//! Configurations: any bytes are read or refused, secrets are never shown, and what is read is read
//! the same again.

use arbitrary::{Arbitrary, Unstructured};
use jiff::Timestamp;
use materialize_s3_parquet::config::{EndpointConfig, ResourceConfig};
use materialize_s3_parquet::keys::PathPrefix;
use materialize_s3_parquet::keys::{Author, FileName};
use serde_json::{Value, json};

/// Stands wherever a user puts a secret.
const SECRET: &str = "sEcReT0123456789";

/// The greatest length of a key in S3, in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// The seconds from 0001-01-01 to 9999-12-30, by the epoch.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_128_000;

/// Takes `data` for either configuration, for a prefix, and for the parts of a key.
pub fn run(data: &[u8]) {
    let _ = EndpointConfig::from_json(data);
    if let Ok(resource) = ResourceConfig::from_json(data) {
        prefix_is_sound(&resource.path_prefix, data);
    }
    if let Ok(Value::Object(config)) = serde_json::from_slice(data) {
        secrets_stay_hidden(&Value::Object(config));
    }
    if let Ok(prefix) = std::str::from_utf8(data).unwrap_or_default().parse() {
        prefix_is_sound(&prefix, data);
    }
}

/// Puts a secret into a configuration in every way that a user might.
fn secrets_stay_hidden(config: &Value) {
    if config.to_string().contains(SECRET) {
        return;
    }
    let values = [
        json!(SECRET),
        json!(format!(" {SECRET}\n")),
        json!([SECRET]),
        json!({"value": SECRET}),
    ];
    for property in ["awsSecretAccessKey", "awsAccessKeyId"] {
        for value in &values {
            let mut config = config.clone();
            config[property] = value.clone();
            nothing_shows_the_secret(&config);
        }
    }
    for endpoint in [
        format!("https://key:{SECRET}@host"),
        format!("https://key:/{SECRET}@host"),
        format!("https://key:?{SECRET}@host/path"),
        format!("key:{SECRET}@host"),
        format!("key:{SECRET}@"),
        format!("s3://key:{SECRET}@/"),
    ] {
        let mut config = config.clone();
        config["advanced"] = match config["advanced"].take() {
            Value::Object(mut advanced) => {
                advanced.insert("endpoint".to_owned(), json!(endpoint));
                Value::Object(advanced)
            }
            _ => json!({"endpoint": endpoint}),
        };
        nothing_shows_the_secret(&config);
    }
}

fn nothing_shows_the_secret(config: &Value) {
    // The access key is no secret to those who see the configuration, but it belongs into no log
    // either.
    let shown = match EndpointConfig::from_json(config.to_string().as_bytes()) {
        Ok(parsed) => {
            let mut config = parsed.config.clone();
            if config.aws_access_key_id == SECRET {
                config.aws_access_key_id.clear();
            }
            format!("{config:?} {:?}", parsed.warnings)
        }
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains(SECRET), "{config}: {shown}");
}

fn prefix_is_sound(prefix: &PathPrefix, data: &[u8]) {
    let again: PathPrefix = prefix
        .normalised()
        .parse()
        .expect("a prefix in its normal form is a prefix");
    assert_eq!(&again, prefix);
    let mut input = Unstructured::new(data);
    let (Ok(key), Ok(second)) = (Numbers::arbitrary(&mut input), input.int_in_range(SECONDS))
    else {
        return;
    };
    let at = Timestamp::from_second(second).expect("a second within the years");
    let name = key.name();
    let file = name.key(prefix, key.backfill, at);
    let staged = name.staged_key(prefix.staging_place(None));
    let receipt = name.author.receipt_key(prefix.staging_place(None));
    for key in [file, staged, receipt] {
        assert!(key.len() <= MAX_KEY_BYTES, "{key}");
        assert!(key.starts_with(prefix.before_patterns()), "{key}");
        assert_eq!(Author::of(&key), Some(name.author), "{key}");
        for wrong in [format!("{key}x"), format!("{key}/x"), key.to_uppercase()] {
            assert!(wrong == key || Author::of(&wrong).is_none(), "{wrong}");
        }
    }
}

/// The parts of a file's key.
#[derive(Arbitrary)]
struct Numbers {
    backfill: u32,
    key_begin: u32,
    counter: u64,
    writer: u32,
    token: u64,
}

impl Numbers {
    fn name(&self) -> FileName {
        FileName {
            author: Author {
                key_begin: self.key_begin,
                writer: self.writer,
            },
            counter: self.counter % 1_000_000_000_000,
            token: self.token,
        }
    }
}
