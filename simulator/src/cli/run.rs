//! `flow-sim run`.

use std::process::ExitCode;

use flow_sim::fixture::ClosePolicy;
use flow_sim::report::{Context, Document, Recorder};
use flow_sim::run::{Location, Options, Store, run as play};
use flow_sim::runtime::Level;
use flow_sim::s3::Manners;

use super::arguments::{MannersName, RunArguments};
use super::failure::{Failure, exit_code};
use super::lines::Lines;
use super::narration::Narration;
use super::print::{self, Stream};
use super::{command, page, summary, words};

/// Plays a catalog and prints what came of it. The exit status is that of the verdict.
pub(super) async fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let options = options(arguments)?;
    if let Some(path) = &arguments.report {
        page::require_folder(path)?;
    }
    let stream = if arguments.json {
        Stream::Error
    } else {
        Stream::Output
    };
    stream.line(&format!(
        "seed {}, runtime {}",
        options.seed,
        options.runtime.name()
    ));
    let lines = Lines {
        level: arguments.log_level.into(),
    };
    let began = now();
    let mut narration = Narration::new(lines, stream, arguments.explain);
    let mut recorder = Recorder::new(&mut narration);
    let outcome = Box::pin(play(&options, &mut recorder)).await;
    let recording = recorder.finish();
    narration.finish();

    let context = Context {
        options: &options,
        command: &command::line(),
        began: Some(began),
    };
    let document = Document::of(&context, &recording, outcome.as_ref());
    if let Some(path) = &arguments.report {
        page::write(path, &document.page())?;
        stream.line(&format!("the page is {}", path.display()));
    }
    if arguments.json {
        print::line(&json(&document));
    }
    let report = outcome?;
    for line in summary::summary(&report, &options, document.verdict) {
        stream.line(&line);
    }
    Ok(exit_code(document.verdict.status(options.allow_empty)))
}

fn json(document: &Document) -> String {
    serde_json::to_string_pretty(document).expect("a document has no keys but strings")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one time of day in a report: when the run began"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn options(arguments: &RunArguments) -> Result<Options, Failure> {
    let connector = arguments
        .connector
        .as_ref()
        .map(|command| words::words(command));
    Ok(Options {
        task: arguments.name.clone(),
        fixture: arguments.fixture.clone(),
        close: ClosePolicy {
            documents: arguments.max_docs,
            bytes: arguments.max_bytes,
            time: arguments.max_time,
        },
        store: store(&arguments.s3)?,
        manners: manners(arguments)?,
        bucket: bucket(arguments)?,
        make_bucket: make_bucket(arguments)?,
        prefix: prefix(arguments)?,
        codec: arguments.codec.map(Into::into),
        runtime: arguments.runtime.into(),
        sessions: arguments.sessions.clone(),
        shards: arguments.shards,
        seed: arguments.seed,
        connector,
        interval: arguments.interval,
        output: arguments.output.clone(),
        allow_empty: arguments.allow_empty,
        allow_unplayed: arguments.allow_unplayed,
        strict: arguments.strict,
        log_level: Level::from(arguments.log_level).min(Level::Info),
        ..Options::new(&arguments.catalog)
    })
}

/// Only a server of ours can have other manners than its own.
fn manners(arguments: &RunArguments) -> Result<Manners, Failure> {
    if arguments.manners == MannersName::Aws || arguments.s3 == "embedded" {
        return Ok(arguments.manners.into());
    }
    Err(Failure::usage(format!(
        "--manners is for the server inside this process, and --s3 is `{}`, which has its own; \
         leave one of them out",
        arguments.s3
    )))
}

/// The catalog's own bucket has no other name.
fn bucket(arguments: &RunArguments) -> Result<Option<String>, Failure> {
    let refused = |why: &str| {
        Err(Failure::usage(format!(
            "--bucket does not go with --s3 {}, which {why}; leave one of them out",
            arguments.s3
        )))
    };
    match (arguments.s3.as_str(), &arguments.bucket) {
        ("catalog", Some(_)) => refused("takes the bucket that the catalog names"),
        ("none", Some(_)) => refused("leaves the configuration as it is"),
        (_, bucket) => Ok(bucket.clone()),
    }
}

/// Where nothing is known of the connector's store, no bucket can be made.
fn make_bucket(arguments: &RunArguments) -> Result<bool, Failure> {
    if arguments.s3 == "none" && arguments.make_bucket {
        return Err(Failure::usage(
            "--make-bucket does not go with --s3 none, which leaves the configuration as it is; \
             leave one of them out",
        ));
    }
    Ok(arguments.make_bucket)
}

fn prefix(arguments: &RunArguments) -> Result<Option<String>, Failure> {
    if arguments.s3 == "none" && arguments.prefix.is_some() {
        return Err(Failure::usage(
            "--prefix does not go with --s3 none, which leaves the configuration as it is; leave \
             one of them out",
        ));
    }
    Ok(arguments.prefix.clone())
}

pub(super) fn store(name: &str) -> Result<Store, Failure> {
    match name {
        "embedded" => Ok(Store::Embedded),
        "minio" => Ok(Store::Minio),
        "ceph" => Ok(Store::Ceph),
        "seaweedfs" => Ok(Store::SeaweedFs),
        "catalog" => Ok(Store::Catalog),
        "none" => Ok(Store::None),
        url if url.contains("://") => connectors_location(url).map(Store::At),
        other => Err(Failure::usage(format!(
            "--s3 is `{other}`; write embedded, minio, ceph, seaweedfs, catalog, none, or a URL such as http://127.0.0.1:9000"
        ))),
    }
}

/// The place of a server, for a connector.
fn connectors_location(url: &str) -> Result<Location, Failure> {
    let location = location(url)?;
    if location.session_token.is_some() {
        return Err(Failure::usage(
            "AWS_SESSION_TOKEN is set, and the connector's configuration has no place for a \
             session token; unset it, and give the keys of a user, which need none",
        ));
    }
    Ok(location)
}

/// The place of a server, with the credentials of the usual variables.
pub(super) fn location(url: &str) -> Result<Location, Failure> {
    words::url(url)?;
    let required = |name: &str| {
        variable(name).ok_or_else(|| {
            Failure::usage(format!("--s3 {url} needs the environment variable {name}"))
        })
    };
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    Ok(Location {
        endpoint: url.to_owned(),
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        access_key_id: required("AWS_ACCESS_KEY_ID")?,
        secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
        session_token: variable("AWS_SESSION_TOKEN"),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "credentials do not belong on a command line, where everybody sees them"
)]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
