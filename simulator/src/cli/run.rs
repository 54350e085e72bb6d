//! `flow-sim run`.

use std::process::ExitCode;

use flow_sim::run::{Location, Options, Store, run as play};
use flow_sim::runtime::Level;

use super::arguments::RunArguments;
use super::failure::Failure;
use super::lines::Lines;
use super::{print, summary};

/// Plays a catalog and prints what came of it. Exit status 1 where the files differ from what was sent.
pub(super) async fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let options = options(arguments)?;
    print::line(&format!(
        "seed {}, runtime {}",
        options.seed,
        options.runtime.name()
    ));
    let mut lines = Lines {
        level: arguments.log_level.into(),
    };
    let report = play(&options, &mut lines).await?;
    for line in summary::summary(&report, options.output.as_deref()) {
        print::line(&line);
    }
    let is_equal = report.differences().next().is_none();
    Ok(if is_equal {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn options(arguments: &RunArguments) -> Result<Options, Failure> {
    let connector = arguments
        .connector
        .as_ref()
        .map(|command| command.split_whitespace().map(str::to_owned).collect());
    Ok(Options {
        task: arguments.name.clone(),
        fixture: arguments.fixture.clone(),
        store: store(&arguments.s3)?,
        bucket: Some(arguments.bucket.clone()),
        codec: arguments.codec.map(Into::into),
        runtime: arguments.runtime.into(),
        sessions: arguments.sessions.clone(),
        seed: arguments.seed,
        connector,
        interval: arguments.interval,
        output: arguments.output.clone(),
        log_level: Level::from(arguments.log_level).min(Level::Info),
        ..Options::new(&arguments.catalog)
    })
}

fn store(name: &str) -> Result<Store, Failure> {
    match name {
        "embedded" => Ok(Store::Embedded),
        "minio" => Ok(Store::Minio),
        "ceph" => Ok(Store::Ceph),
        url if url.starts_with("http://") || url.starts_with("https://") => {
            location(url).map(Store::At)
        }
        other => Err(Failure::usage(format!(
            "--s3 is `{other}`; write embedded, minio, ceph, or a URL such as http://127.0.0.1:9000"
        ))),
    }
}

fn location(url: &str) -> Result<Location, Failure> {
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
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "credentials do not belong on a command line, where everybody sees them"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
