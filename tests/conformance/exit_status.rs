//! Green means green: what `flow-sim run` ends with where not all is well, and what it says and
//! prints then.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use flow_sim::readback::Duck;
use flow_sim::run::{Bucket, Location, Opening, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::runs::{MadeUp, kept_files};
use crate::servers::{Server, bucket, connector, files, tests_folder};

/// A catalog of our own, in a folder of its own.
pub(crate) struct Case {
    folder: TempDir,
    pub(crate) catalog: String,
}

impl Case {
    fn new(properties: Value, documents: Vec<Value>) -> Self {
        let folder = TempDir::new().unwrap();
        let made_up = MadeUp {
            properties,
            advanced: json!({}),
            resources: vec![json!({"pathPrefix": "t"})],
            transactions: vec![documents],
        };
        let catalog = made_up.write(folder.path()).display().to_string();
        Self { folder, catalog }
    }

    /// Documents that are all well.
    pub(crate) fn well() -> Self {
        let documents = (0..3).map(|id| json!({"id": id, "n": id})).collect();
        Self::new(json!({"n": {"type": "integer"}}), documents)
    }

    /// The same, in a bucket of the embedded server that the catalog itself names.
    pub(crate) fn in_bucket(name: &str) -> Self {
        let location = Server::Embedded.location();
        let case = Self::well();
        case.configure(|config| {
            config["bucket"] = json!(name);
            config["region"] = json!(location.region);
            config["awsAccessKeyId"] = json!(location.access_key_id);
            config["awsSecretAccessKey"] = json!(location.secret_access_key);
            config["advanced"] = json!({"endpoint": location.endpoint});
        });
        case
    }

    /// The same catalog with another text for its fixture.
    pub(crate) fn with_fixture(self, fixture: &[u8]) -> Self {
        std::fs::write(self.path("fixture.jsonl"), fixture).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Changes the configuration of the endpoint.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Value)) {
        let text = std::fs::read_to_string(&self.catalog).unwrap();
        let mut catalog: Value = serde_json::from_str(&text).unwrap();
        let task = &mut catalog["materializations"]["acmeCo/lake"];
        change(&mut task["endpoint"]["local"]["config"]);
        std::fs::write(&self.catalog, catalog.to_string()).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = simulator();
        command.args(["run", &self.catalog]).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it. The last word of what it prints must be as given, and so must the status.
    pub(crate) fn ends(&self, arguments: &[&str], status: i32, says: &str) -> String {
        let output = self.run(arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(says), "`{says}` is not in: {said}");
        let all_is_well = status == 0 || arguments.contains(&"--strict");
        assert!(all_is_well || !said.contains("all equal"), "{said}");
        said
    }
}

pub(crate) fn simulator() -> Command {
    let mut command = Command::new(connector().with_file_name("flow-sim"));
    command.stdin(Stdio::null());
    command
}

pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn documents_of_a_collection_that_is_not_in_the_catalog_end_with_3() {
    let fixture = b"[\"acmeCo/madeUp\", {\"id\": 1}]\n[\"acmeCo/madUp\", {\"id\": 2}]\n";
    let case = Case::well().with_fixture(fixture);
    let says = "the fixture's line 2: the catalog has no collection `acmeCo/madUp`; did you mean \
                `acmeCo/madeUp`?";
    case.ends(&[], 3, says);

    // As they come, and made from a recipe.
    let stdin = std::fs::File::open(case.path("fixture.jsonl")).unwrap();
    let mut command = case.command(&["--fixture", "-"]);
    let output = command.stdin(stdin).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let recipe = "{collection: acmeCo/none, generator: noise, seed: 1, documents: 2, \
                  transactions: 1, sessions: 1}";
    std::fs::write(case.path("made.yaml"), recipe).unwrap();
    let recipe = case.path("made.yaml");
    case.ends(&["--fixture", &recipe], 3, "no collection `acmeCo/none`");
}

#[test]
fn documents_that_violate_their_schema_end_with_4() {
    for (document, says) in [
        (json!({"n": 1}), "the property `id` is missing"),
        (
            json!({"id": 2, "n": "x"}),
            "at `/n`: expected integer, found string",
        ),
    ] {
        let fixture =
            format!("[\"acmeCo/madeUp\", {{\"id\": 1}}]\n\n[\"acmeCo/madeUp\", {document}]\n");
        let case = Case::well().with_fixture(fixture.as_bytes());
        let told = case.ends(&[], 4, says);
        assert!(
            told.contains("the fixture's line 3: ") && told.contains("Flow stops there"),
            "{told}"
        );
        let stdin = std::fs::File::open(case.path("fixture.jsonl")).unwrap();
        let mut command = case.command(&["--fixture", "-"]);
        let output = command.stdin(stdin).output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    }
}

#[test]
fn a_run_that_has_compared_nothing_ends_with_5_unless_that_is_fine() {
    let case = Case::well().with_fixture(b"");
    case.ends(&[], 5, "NOTHING COMPARED: no document became a row");
    let output = case.run(&["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["verdict"], "nothingCompared");
    let page = case.path("page.html");
    case.ends(&["--allow-empty", "--report", &page], 0, "nothing compared");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("Nothing was compared"));
}

/// The arguments of every command that prints something, and the status that it has where the
/// output can be written.
fn printing(case: &Case) -> Vec<Vec<String>> {
    let files = case.path("files");
    case.ends(&["--output", &files], 0, "all equal");
    let mut sessions = kept_files(&tests_folder("sessions"));
    sessions.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "jsonl")
    });
    let session = sessions.remove(0).display().to_string();
    let catalog = case.catalog.as_str();
    let all: [&[&str]; 10] = [
        &["run", catalog],
        &["run", catalog, "--json"],
        &["inspect", &files],
        &["inspect", &files, "--json"],
        &["replay", &session],
        &["replay", &session, "--json"],
        &["torture", "--seed", "1", "--json"],
        &["s3", "--port", "0", "--until-eof"],
        &["completions", "bash"],
        &["run", "--help"],
    ];
    all.iter()
        .map(|words| words.iter().map(ToString::to_string).collect())
        .collect()
}

#[test]
fn output_that_cannot_be_written_ends_with_6_whatever_the_command_is() {
    let case = Case::well();
    for arguments in printing(&case) {
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = simulator().args(&arguments).stdout(full).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(6), "{arguments:?}: {said}");
        assert!(
            said.contains("standard output could not be written: No space left on device"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn who_stops_reading_is_no_failure() {
    let case = Case::well();
    let mut command = simulator();
    command.args(["completions", "bash"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(case);
}

/// Runs with a limit on how long files may become, as a full disk would have it.
fn with_short_files(case: &Case, arguments: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"])
        .arg(connector().with_file_name("flow-sim"))
        .args(["run", &case.catalog])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_file_that_could_not_be_written_whole_is_not_there_and_the_run_ends_with_6() {
    let text: String = (0..4000).map(|n: u32| n.to_string()).collect();
    let documents = vec![json!({"id": 1, "text": text})];
    let case = Case::new(json!({"text": {"type": "string"}}), documents);
    let files = case.path("files");
    let output = with_short_files(&case, &["--output", &files]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(6), "{told}");
    assert!(told.contains("File too large"), "{told}");
    assert!(kept_files(Path::new(&files)).is_empty());

    let page = case.path("page.html");
    std::fs::write(&page, "the page before").unwrap();
    let output = with_short_files(&Case::well(), &["--report", &page]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(6), "{told}");
    assert!(told.contains("page.html could not be written"), "{told}");
    assert_eq!(std::fs::read_to_string(page).unwrap(), "the page before");
    let left: Vec<_> = std::fs::read_dir(case.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 4, "{left:?}");
    case.ends(
        &["--report", "/dev/full"],
        6,
        "--report /dev/full could not be written",
    );
}

#[test]
fn values_that_are_in_no_column_of_their_own_are_counted_and_strict_fails_on_them() {
    let huge: Value = serde_json::from_str("18446744073709551615").unwrap();
    let documents = vec![
        json!({"id": 1, "n": huge, "tags": [1], "extra": {"a": 1, "b": 2}}),
        json!({"id": 2, "n": 5, "tags": [2], "nothing": null, "FLOW_RESCUED": "{\"x\": 1}"}),
    ];
    // A field whose name differs from the column's only in case is not taken for it.
    let text = json!({"type": "string"});
    let (n, tags) = (json!({"type": "integer"}), json!({"type": "array"}));
    let properties = json!({"n": n, "tags": tags, "FLOW_RESCUED": text});
    let case = Case::new(properties, documents);
    let told = case.ends(&[], 0, "2 rows compared, all equal");
    for line in [
        "  rescued    1 value in `flow_rescued`: `n` 1",
        "  exact      0 values in `flow_exact`",
        "  no column  2 locations: `/extra` 1, `/tags` 2",
    ] {
        assert!(told.contains(line), "`{line}` is not in: {told}");
    }
    let page = case.path("page.html");
    let arguments = ["--strict", "--json", "--report", &page];
    let output = case.run(&arguments);
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["verdict"], "notInColumns");
    let binding = &document["bindings"][0];
    assert_eq!(binding["rescued"], json!({"n": 1}));
    assert_eq!(binding["exact"], json!({}));
    assert_eq!(binding["missing"], json!({"/extra": 1, "/tags": 2}));
    let page = std::fs::read_to_string(page).unwrap();
    for text in ["flow_rescued: `n` 1.", "In no column", "`/tags` 2"] {
        assert!(page.contains(text), "`{text}` is not in the page");
    }
    case.ends(&["--strict"], 7, "NOT ALL IN COLUMNS");
    Case::well().ends(&["--strict"], 0, "3 rows compared, all equal");
}

#[test]
fn what_of_the_catalog_was_replaced_is_named_without_its_secrets() {
    let case = Case::well();
    case.configure(|config| {
        config["bucket"] = json!("acme-lake");
        config["region"] = json!("eu-central-1");
        config["awsAccessKeyId"] = json!("AKIA1234");
        config["awsSecretAccessKey"] = json!("very-secret");
    });
    let told = case.ends(&["--prefix", "/run-7/"], 0, "all equal");
    for line in [
        "bucket: flow-sim instead of acme-lake",
        "region: us-east-1 instead of eu-central-1",
        "awsSecretAccessKey: the server's instead of the catalog's",
        "instead of AWS",
        "pathPrefix: run-7/… instead of each binding's own",
        "s3://flow-sim/run-7/t/v0000000000/",
    ] {
        assert!(told.contains(line), "`{line}` is not in: {told}");
    }
    assert!(
        !told.contains("very-secret") && !told.contains("AKIA1234"),
        "{told}"
    );
    let output = case.run(&["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let replaced = document["run"]["replaced"].as_array().unwrap();
    assert_eq!(
        replaced[0],
        json!({"what": "bucket", "catalog": "acme-lake", "run": "flow-sim"})
    );
    assert!(!document.to_string().contains("very-secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogs_own_bucket_is_played_and_read_back() {
    let name = bucket("catalog");
    let case = Case::in_bucket(&name);
    let catalog = ["--s3", "catalog"];
    let told = case.ends(&catalog, 2, "or have it made with --make-bucket");
    assert!(told.contains(&format!("no bucket `{name}`")), "{told}");
    let told = case.ends(&["--s3", "catalog", "--make-bucket"], 0, "all equal");
    assert!(
        told.contains(&format!("s3://{name}/t/v0000000000/")),
        "{told}"
    );
    assert!(!told.contains("instead of"), "{told}");
    // A second run is kept apart, or refused.
    case.ends(&catalog, 2, "keep it apart with --prefix");
    case.ends(&["--s3", "catalog", "--prefix", "b"], 0, "all equal");
    let store = Store::At(Server::Embedded.location());
    let opening = Opening::new(&store, Some(&name), 0);
    let bucket = Bucket::open_as(&opening).await.unwrap();
    for prefix in ["t/v0000000000/", "b/t/v0000000000/"] {
        assert_eq!(files(bucket.client(), &name, prefix).await.len(), 1);
    }
    case.ends(
        &["--s3", "catalog", "--bucket", "other"],
        2,
        "takes the bucket that the catalog names",
    );
    case.configure(|config| config["awsAccessKeyId"] = json!(""));
    case.ends(&catalog, 2, "needs `awsAccessKeyId`");
}

#[test]
fn a_bucket_of_somebody_else_is_made_only_where_that_was_asked_for() {
    let Location {
        endpoint,
        access_key_id,
        secret_access_key,
        ..
    } = Server::Embedded.location();
    let name = bucket("somebodys");
    let case = Case::well();
    let run = |secret: &str, more: &[&str]| {
        let arguments = [&["--s3", &endpoint, "--bucket", &name], more].concat();
        let mut command = case.command(&arguments);
        command.env("AWS_ACCESS_KEY_ID", &access_key_id);
        let output = command
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .output()
            .unwrap();
        (output.status.code(), said(&output))
    };
    let (status, told) = run(&secret_access_key, &[]);
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("--make-bucket"), "{told}");
    let (status, told) = run("wrong", &["--make-bucket"]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("access is denied (403)"), "{told}");
    let (status, told) = run(&secret_access_key, &["--make-bucket"]);
    assert_eq!(status, Some(0), "{told}");
    let (status, told) = run(&secret_access_key, &["--prefix", "again"]);
    assert_eq!(status, Some(0), "{told}");
}

/// A `duckdb` that writes down the statement that it is given.
fn with_noted_statements(folder: &Path) -> String {
    let program = folder.join("bin/duckdb");
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    let script = "#!/bin/sh\n[ \"$1\" = -c ] && printf %s \"$2\" > \"$NOTED\"\n";
    std::fs::write(&program, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    format!("{}:/usr/bin:/bin", folder.join("bin").display())
}

/// Runs the commands that a run has printed, and sees to it that each shows rows.
fn run_what_was_printed(folder: &Path, told: &str) {
    let path = with_noted_statements(folder);
    let noted = folder.join("noted");
    let lines: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with("  duckdb "))
        .collect();
    let tables = told.matches("  where      s3://").count();
    assert_eq!(lines.len(), tables, "{told}");
    for line in lines {
        let mut shell = Command::new("sh");
        shell.args(["-c", line.trim()]).env("PATH", &path);
        let status = shell.env("NOTED", &noted).status().unwrap();
        assert!(status.success(), "{line}");
        let statement = std::fs::read_to_string(&noted).unwrap();
        let shown = Duck::start().unwrap().show(&statement);
        let shown = shown.unwrap_or_else(|error| panic!("{statement}: {error}"));
        assert!(!shown.rows.is_empty(), "{statement}");
    }
}

#[test]
fn the_commands_that_are_printed_to_copy_do_what_they_say() {
    for catalog in ["wikipedia", "flattening", "date_patterns"] {
        let folder = TempDir::new().unwrap();
        let files = folder.path().join("it's [a] $folder!");
        let catalog = tests_folder(&format!("catalogs/{catalog}/flow.yaml"));
        let mut command = simulator();
        command.args(["run", catalog.to_str().unwrap(), "--output"]);
        let output = command.arg(&files).output().unwrap();
        let told = said(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        run_what_was_printed(folder.path(), &told);
    }
    let case = Case::well();
    for (number, prefix) in ["it's=a,b+c&d 'q' é😀/[x]*?", "date=x", "$(x)/`y`\\\""]
        .into_iter()
        .enumerate()
    {
        let files = case.path(&format!("files {number}"));
        let arguments = ["--prefix", prefix, "--output", &files];
        let told = case.ends(&arguments, 0, "all equal");
        run_what_was_printed(case.folder.path(), &told);
    }
}

#[test]
fn help_lists_the_statuses() {
    for arguments in [&["--help"][..], &["run", "--help"]] {
        let output = simulator().args(arguments).output().unwrap();
        let told = said(&output);
        for line in [
            "  3    the documents name a collection that is not in the catalog",
            "  5    nothing was compared",
            "  130  interrupted",
        ] {
            assert!(told.contains(line), "`{line}` is not in: {told}");
        }
    }
}
