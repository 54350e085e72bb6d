//! Fields whose columns change, and values that columns have only nearly: what the user is told of
//! them, and when.

use super::*;

/// What is logged while it lives, on this thread.
struct Logged {
    output: Output,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Logged {
    fn new() -> Self {
        let output = Output::default();
        let writer = output.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        Self {
            output,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The lines that hold `part`.
    fn lines(&self, part: &str) -> Vec<String> {
        let bytes = self.output.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().filter(|line| line.contains(part));
        lines.map(str::to_owned).collect()
    }
}

/// A task whose field `name` may have values of `types`.
fn task(types: &[&str], format: &str) -> serde_json::Value {
    let mut task = materialization(0, &["orders"]);
    task["bindings"][0]["collection"]["projections"][1]["inference"] =
        json!({"types": types, "string": {"format": format}});
    task
}

fn apply(task: &serde_json::Value, last: &serde_json::Value) -> [materialize::Request; 1] {
    let apply = json!({"materialization": task, "version": "2", "lastMaterialization": last});
    [message(json!({"apply": apply}))]
}

/// Plays one session of two transactions with a code, and returns the state after it.
async fn session_of(
    bucket: &Fake,
    task: &serde_json::Value,
    state: serde_json::Value,
) -> serde_json::Value {
    session_with(bucket, task, state, &json!("00501")).await
}

/// Plays one session of two transactions with `value`, and returns the state after it.
async fn session_with(
    bucket: &Fake,
    task: &serde_json::Value,
    state: serde_json::Value,
    value: &serde_json::Value,
) -> serde_json::Value {
    let range = json!({"keyEnd": u32::MAX, "rClockEnd": u32::MAX});
    let open = json!({"materialization": task, "version": "1", "range": range, "state": state});
    let mut requests = vec![message(json!({"open": open})), acknowledge()];
    for _ in 0..2 {
        let store = message(json!({"store": {"key": [1], "values": [value]}}));
        requests.extend([flush(), store, start_commit(), acknowledge()]);
    }
    let (responses, result) = play(bucket, &requests).await;
    result.unwrap();
    merged(state, &responses)
}

#[tokio::test]
async fn apply_describes_a_field_whose_column_changes() {
    let (before, after) = (task(&["string"], ""), task(&["string", "integer"], ""));
    let (responses, result) = play(&Fake::new(), &apply(&after, &before)).await;
    result.unwrap();
    let applied = responses[0].applied.as_ref().unwrap();
    assert_eq!(
        applied.action_description,
        "change the column `name` of the next files in s3://lake/orders/v0000000000/ from STRING \
         to JSON text (`abc` becomes `\"abc\"`)"
    );
    let mut backfilled = after.clone();
    backfilled["bindings"][0]["backfill"] = json!(1);
    let (responses, _) = play(&Fake::new(), &apply(&backfilled, &before)).await;
    let applied = responses[0].applied.as_ref().unwrap();
    assert!(!applied.action_description.contains("change"));
}

#[tokio::test]
async fn apply_accepts_a_last_specification_with_a_field_configuration_that_is_not_known() {
    let (mut before, mut after) = (task(&["string"], ""), task(&["integer"], ""));
    let unknown = json!({"name": {"castToString": true, "ofANewerConnector": 1}});
    before["bindings"][0]["fieldSelection"]["fieldConfig"] = unknown.clone();
    let (responses, result) = play(&Fake::new(), &apply(&after, &before)).await;
    result.unwrap();
    assert_eq!(
        responses[0].applied.as_ref().unwrap().action_description,
        ""
    );

    after["bindings"][0]["fieldSelection"]["fieldConfig"] = unknown;
    let error = play(&Fake::new(), &apply(&after, &before)).await.1;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn apply_refuses_a_folder_with_the_name_of_a_field() {
    let mut task = task(&["string"], "");
    task["bindings"][0]["resourceConfig"]["pathPrefix"] = json!("orders/Name=%Y");
    task["bindings"][0]["resourcePath"] = json!(["orders/Name=%Y"]);
    let last = self::task(&["string"], "");
    let error = play(&Fake::new(), &apply(&task, &last)).await.1;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`Name_part=%Y`"), "{error}");
    play(&Fake::new(), &apply(&task, &task)).await.1.unwrap();
}

#[tokio::test]
async fn a_session_that_begins_with_another_form_of_a_field_warns_once() {
    let bucket = Fake::new();
    let changes = "the column of a field changes";
    let logged = Logged::new();
    let state = session_of(&bucket, &task(&["string"], ""), json!({})).await;
    let state = session_of(&bucket, &task(&["string"], "uuid"), state).await;
    assert_eq!(logged.lines(changes), [""; 0]);
    let now = task(&["string"], "integer");
    let state = session_of(&bucket, &now, state).await;
    let warnings = logged.lines(changes);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in [
        "WARN",
        "from STRING to INT64",
        "Spark",
        "acmeCo/orders",
        "name",
    ] {
        assert!(warnings[0].contains(part), "{warnings:?}");
    }
    session_of(&bucket, &now, state).await;
    assert_eq!(logged.lines(changes).len(), 1, "the files have it now");
}

#[tokio::test]
async fn the_forms_of_a_binding_are_noted_only_as_long_as_it_is_active() {
    let bucket = Fake::new();
    let files = |state: &serde_json::Value, state_key: &str| {
        state["bindings"][state_key]["00000000"].clone()
    };
    let mut task = task(&["string"], "");
    let state = session_of(&bucket, &task, json!({})).await;
    assert!(files(&state, "orders")["forms"].is_string(), "{state}");
    task["bindings"][0]["backfill"] = json!(1);
    task["bindings"][0]["stateKey"] = json!("orders.v1");
    let state = session_of(&bucket, &task, state).await;
    let old = files(&state, "orders");
    assert_eq!((&old["forms"], &old["counter"]), (&json!(null), &json!(2)));
    assert!(files(&state, "orders.v1")["forms"].is_string(), "{state}");
}

#[tokio::test]
async fn values_that_are_kept_exactly_are_counted_by_file_and_told_once_a_session() {
    for format in ["number", "integer"] {
        let logged = Logged::new();
        session_of(&Fake::new(), &task(&["string"], format), json!({})).await;
        let staged = logged.lines("staged a file");
        assert_eq!(staged.len(), 2);
        let counted = staged.iter().filter(|line| line.contains("exact=1"));
        assert_eq!(counted.count(), 2, "{staged:?}");
        let told = logged.lines("flow_exact");
        assert_eq!(told.len(), 1, "{told:?}");
        for part in ["INFO", "`castToString`"] {
            assert!(told[0].contains(part), "{told:?}");
        }
    }
}

#[tokio::test]
async fn a_session_says_that_nothing_is_kept_exactly_where_a_field_has_the_name_of_the_column() {
    let mut task = task(&["string"], "number");
    task["bindings"][0]["collection"]["projections"][0]["field"] = json!("flow_exact");
    task["bindings"][0]["fieldSelection"]["keys"] = json!(["flow_exact"]);
    let logged = Logged::new();
    session_of(&Fake::new(), &task, json!({})).await;
    let staged = logged.lines("exact=1");
    assert_eq!(
        staged.len(),
        4,
        "two files and two transactions: {staged:?}"
    );
    let told = logged.lines("`castToString`");
    assert_eq!(told.len(), 1, "{told:?}");
    for part in [
        "are not kept",
        "a field has the name `flow_exact`",
        "DOUBLE",
    ] {
        assert!(told[0].contains(part), "{told:?}");
    }
}

#[tokio::test]
async fn documents_were_published_when_a_date_time_says_so_and_not_any_field_of_that_name() {
    for (kind, format, value, expected) in [
        ("string", "date-time", json!("2026-01-02T03:04:05Z"), 2),
        ("integer", "", json!(1_767_323_045), 0),
        ("string", "", json!("2026-01-02T03:04:05Z"), 0),
    ] {
        let mut task = task(&[kind], format);
        task["bindings"][0]["collection"]["projections"][1]["field"] = json!("flow_published_at");
        task["bindings"][0]["fieldSelection"]["values"] = json!(["flow_published_at"]);
        let logged = Logged::new();
        session_with(&Fake::new(), &task, json!({}), &value).await;
        let visible = logged.lines("files are visible");
        assert_eq!(visible.len(), 2);
        let published = visible
            .iter()
            .filter(|line| line.contains("firstPublishedAt"));
        assert_eq!(published.count(), expected, "{kind} {format}: {visible:?}");
    }
}
