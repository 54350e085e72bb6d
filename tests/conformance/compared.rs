//! What counts as compared, and what a run says of documents that it has not played.

use std::process::Output;

use flow_sim::run::Bucket;
use serde_json::{Value, json};

use crate::exit_status::Case;
use crate::servers::{Server, bucket};

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Three documents for a bucket that the catalog names itself.
async fn in_its_own_bucket() -> Case {
    let name = bucket("unread");
    Bucket::open(&Server::Embedded.store(), Some(&name), 0)
        .await
        .unwrap();
    let location = Server::Embedded.location();
    let case = Case::well();
    case.configure(|config| {
        config["bucket"] = json!(name);
        config["region"] = json!(location.region);
        config["awsAccessKeyId"] = json!(location.access_key_id);
        config["awsSecretAccessKey"] = json!(location.secret_access_key);
        config["advanced"] = json!({"endpoint": location.endpoint});
    });
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_stored_and_not_read_back_are_not_compared() {
    let case = in_its_own_bucket().await;
    let says = "NOTHING COMPARED: 3 rows stored and not read back";
    case.ends(&["--s3", "none"], 5, says);
    let output = case.run(&["--s3", "none", "--json"]);
    assert_eq!(document(&output)["verdict"], "nothingCompared");
    let page = case.path("page.html");
    let allowed = ["--s3", "none", "--allow-empty", "--report", &page];
    let told = case.ends(&allowed, 0, "nothing compared: 3 rows stored");
    assert!(!told.contains("all equal"), "{told}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("Nothing was compared: 3 rows stored and not read back"));
    for more in [&["--strict"][..], &["--strict", "--allow-empty"]] {
        let arguments = [&["--s3", "none"], more].concat();
        case.ends(
            &arguments,
            7,
            "NOT ALL READ BACK: 3 rows stored and not read back",
        );
    }
    let output = case.run(&["--s3", "none", "--strict", "--json"]);
    assert_eq!(document(&output)["verdict"], "notAllReadBack");
    case.ends(
        &["--s3", "none", "--make-bucket"],
        2,
        "--make-bucket does not go with --s3 none",
    );
}
