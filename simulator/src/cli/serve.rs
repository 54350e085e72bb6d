//! `flow-sim s3`.

use std::net::SocketAddr;
use std::process::ExitCode;

use flow_sim::s3::{Manners, Options, Rules, Server};
use serde_json::{Value, json};

use super::arguments::S3Arguments;
use super::failure::Failure;
use super::print;

/// Serves S3 until interrupted.
pub(super) async fn serve(arguments: &S3Arguments) -> Result<ExitCode, Failure> {
    let options = Options {
        address: SocketAddr::new(arguments.host, arguments.port),
        buckets: arguments.bucket.clone(),
        rules: Rules {
            versioned: arguments.versioned,
            ..Manners::from(arguments.manners).rules()
        },
        discard: arguments.discard,
        ..Options::default()
    };
    let (key, secret) = (
        options.access_key_id.clone(),
        options.secret_access_key.clone(),
    );
    let server = Server::start(options).await?;
    let bucket = arguments.bucket.first().map_or("flow-sim", String::as_str);
    if arguments.json {
        print::line(&document(&server, &key, &secret, &arguments.bucket).to_string());
    } else {
        print::line(&greeting(&server, &key, &secret, bucket));
    }
    if print::outcome().is_err() {
        // Nobody knows where the server is. The status tells so in the end.
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.until_eof {
        std::future::pending::<()>().await;
    }
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// What a program needs to use it, as one line.
fn document(server: &Server, key: &str, secret: &str, buckets: &[String]) -> Value {
    json!({
        "endpoint": server.endpoint(),
        "region": "us-east-1",
        "accessKeyId": key,
        "secretAccessKey": secret,
        "buckets": buckets,
    })
}

fn greeting(server: &Server, key: &str, secret: &str, bucket: &str) -> String {
    let (endpoint, address) = (server.endpoint(), server.address());
    format!(
        "S3 at {endpoint}, until interrupted; everything is in memory
  access key id      {key}
  secret access key  {secret}
  region             us-east-1
  bucket             {bucket}

A run against it, in another terminal:
  AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret} \\
    flow-sim run flow.yaml --s3 {endpoint} --bucket {bucket}

DuckDB:
  INSTALL httpfs;
  CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', REGION 'us-east-1',
                 ENDPOINT '{address}', URL_STYLE 'path', USE_SSL false);
  FROM read_parquet('s3://{bucket}/**/*.parquet', union_by_name = true) LIMIT 10;

The aws command line:
  AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret} AWS_DEFAULT_REGION=us-east-1 \\
    aws --endpoint-url {endpoint} s3 ls --recursive s3://{bucket}"
    )
}
