//! What users write, right and wrong, and what the schemas say about it.

use serde_json::{Value, json};

use super::*;

fn minimal() -> Value {
    json!({
        "awsAccessKeyId": "AKIAEXAMPLE",
        "awsSecretAccessKey": "hunter2",
        "bucket": "my-bucket",
        "region": "us-east-1",
        "uploadIntervalInSeconds": 300,
    })
}

/// Every property of the endpoint configuration, each other than its default.
fn full() -> Value {
    let mut full = minimal();
    full["advanced"] = json!({
        "endpoint": "http://localhost:9000",
        "pathStyle": false,
        "checksums": "none",
        "fileSizeLimit": MIN_FILE_SIZE_LIMIT,
        "rowGroupRowLimit": 1,
        "rowGroupByteLimit": MAX_ROW_GROUP_BYTE_LIMIT,
        "compressionLevel": 0,
        "jsonColumns": "json",
        "unconvertible": "fail",
        "typeChanges": "backfill",
        "commit": "copy",
        "stagingPrefix": "/tmp/",
        "missingUploads": "skip",
    });
    full
}

/// The minimal configuration with `value` at `pointer`.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = minimal();
    if pointer.starts_with("/advanced/") {
        config["advanced"] = json!({});
    }
    let (object, name) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(object).unwrap()[name] = value;
    config
}

fn parse(config: &Value) -> Result<ParsedEndpoint> {
    EndpointConfig::from_json(config.to_string().as_bytes())
}

fn problem(config: &Value) -> String {
    parse(config).unwrap_err().to_string()
}

fn resource(config: &Value) -> Result<ResourceConfig> {
    ResourceConfig::from_json(config.to_string().as_bytes())
}

#[test]
fn a_minimal_endpoint_has_the_defaults() {
    let ParsedEndpoint { config, warnings } = parse(&minimal()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(config.aws_access_key_id, "AKIAEXAMPLE");
    assert_eq!(config.aws_secret_access_key.expose(), "hunter2");
    assert_eq!(
        (config.bucket.as_str(), config.region.as_str()),
        ("my-bucket", "us-east-1")
    );
    assert_eq!(config.upload_interval, Duration::from_mins(5));
    let advanced = config.advanced;
    assert_eq!(advanced.endpoint, None);
    assert!(!advanced.path_style());
    assert_eq!(advanced.file_size_limit, 1 << 30);
    assert_eq!(advanced.row_group_row_limit, 1_000_000);
    assert_eq!(advanced.row_group_byte_limit, 64 << 20);
    assert_eq!(advanced.json_columns, JsonColumns::String);
    assert_eq!(advanced.unconvertible, Unconvertible::Rescue);
    assert_eq!(advanced.type_changes, TypeChanges::Continue);
    assert_eq!(advanced.missing_uploads, MissingUploads::Fail);
    assert_eq!(advanced.checksums, Checksums::Crc32);
    assert_eq!(advanced.compression_level, None);
    assert_eq!(advanced.commit, CommitMode::Auto);
    assert_eq!(advanced.staging_prefix, None);
}

#[test]
fn a_full_endpoint_is_read_in_full() {
    let advanced = parse(&full()).unwrap().config.advanced;
    assert_eq!(advanced.endpoint.as_deref(), Some("http://localhost:9000"));
    assert_eq!(advanced.path_style, Some(false));
    assert_eq!(advanced.file_size_limit, MIN_FILE_SIZE_LIMIT);
    assert_eq!(advanced.row_group_row_limit, 1);
    assert_eq!(advanced.row_group_byte_limit, MAX_ROW_GROUP_BYTE_LIMIT);
    assert_eq!(advanced.json_columns, JsonColumns::Json);
    assert_eq!(advanced.unconvertible, Unconvertible::Fail);
    assert_eq!(advanced.type_changes, TypeChanges::Backfill);
    assert_eq!(advanced.missing_uploads, MissingUploads::Skip);
    assert_eq!(advanced.checksums, Checksums::None);
    assert_eq!(advanced.compression_level, Some(0));
    assert_eq!(advanced.commit, CommitMode::Copy);
    assert_eq!(advanced.staging_prefix.unwrap().as_str(), "tmp");
}

#[test]
fn path_style_follows_the_endpoint_unless_set() {
    let path_style = |config: &Value| parse(config).unwrap().config.advanced.path_style();
    assert!(path_style(&with(
        "/advanced/endpoint",
        json!("http://localhost")
    )));
    assert!(path_style(&with("/advanced/pathStyle", json!(true))));
    assert!(!path_style(&full()));
}

#[test]
fn endpoints_are_read_with_one_slash_behind_a_path_and_none_behind_a_host() {
    for (text, read) in [
        ("https://host/", "https://host"),
        ("https://host/s3", "https://host/s3/"),
        ("https://host/s3/", "https://host/s3/"),
    ] {
        let config = parse(&with("/advanced/endpoint", json!(text)))
            .unwrap()
            .config;
        assert_eq!(config.advanced.endpoint.as_deref(), Some(read), "{text}");
    }
}

#[test]
fn an_endpoint_that_holds_the_bucket_is_refused_with_the_right_form() {
    for (text, right) in [
        (
            "https://my-bucket.nyc3.example.com",
            "expected `https://nyc3.example.com`",
        ),
        ("https://host/s3/my-bucket/", "expected `https://host/s3`"),
    ] {
        let mut config = with("/advanced/endpoint", json!(text));
        let message = problem(&config);
        for part in [
            text,
            "holds the bucket `my-bucket`",
            right,
            "`/advanced/pathStyle` to true",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
        config["advanced"]["pathStyle"] = json!(false);
        assert!(problem(&config).contains(right));
        // Who says that it is no mistake is only warned.
        config["advanced"]["pathStyle"] = json!(true);
        let warnings = parse(&config).unwrap().warnings;
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains(right), "{warnings:?}");
    }
}

#[test]
fn properties_that_are_null_are_not_set() {
    let mut config = full();
    for property in config["advanced"].as_object_mut().unwrap().values_mut() {
        *property = Value::Null;
    }
    assert_eq!(
        parse(&config).unwrap().config.advanced.file_size_limit,
        DEFAULT_FILE_SIZE_LIMIT
    );
    assert!(problem(&with("/bucket", Value::Null)).contains("`/bucket` is missing"));
}

/// Checks that `value` at `pointer` is refused with `expected`, and without showing the secret.
fn assert_refused(pointer: &str, value: Value, expected: &str) {
    let message = problem(&with(pointer, value));
    assert!(message.contains(expected), "{pointer}: {message}");
    assert!(!message.contains("hunter2"), "{pointer}: {message}");
}

#[test]
fn wrong_texts_are_named_with_what_is_expected_and_what_is_there() {
    let cases = [
        (
            "/bucket",
            json!(""),
            "`/bucket` is empty, expected a string",
        ),
        (
            "/bucket",
            json!(7),
            "`/bucket` is a number, expected a string",
        ),
        (
            "/bucket",
            json!("s3://b0b/x"),
            "is `s3://b0b/x`, expected the bare name, `b0b`",
        ),
        ("/region", json!("US East"), "`/region` is `US East`"),
        (
            "/awsSecretAccessKey",
            json!("hunter2\n"),
            "`/awsSecretAccessKey` holds white space",
        ),
        (
            "/awsSecretAccessKey",
            json!(["hunter2"]),
            "`/awsSecretAccessKey` is an array",
        ),
        (
            "/advanced/endpoint",
            json!("localhost:9000"),
            "`https://localhost:9000`",
        ),
        (
            "/advanced/stagingPrefix",
            json!("tmp/%Y"),
            "`/advanced/stagingPrefix` is `tmp/%Y`, but it may hold no date patterns",
        ),
        (
            "/advanced/commit",
            json!("coppy"),
            "expected one of `auto`, `multipart`, `copy` (did you mean `copy`?)",
        ),
        (
            "/advanced/checksums",
            json!("crc23"),
            "expected one of `crc32`, `none` (did you mean `crc32`?)",
        ),
    ];
    for (pointer, value, expected) in cases {
        assert_refused(pointer, value, expected);
    }
}

#[test]
fn wrong_numbers_are_named_with_what_is_expected_and_what_is_there() {
    let interval = "/uploadIntervalInSeconds";
    let cases = [
        (
            interval,
            json!("300"),
            "is a string, expected an integer of 0 or more",
        ),
        (
            interval,
            json!(-1),
            "is -1, expected an integer of 0 or more",
        ),
        (
            interval,
            json!(1.5),
            "is 1.5, expected an integer of 0 or more",
        ),
        (interval, json!(1e30), "expected an integer of 0 or more"),
        (
            "/advanced/fileSizeLimit",
            json!(5),
            "is 5, expected an integer from 1048576 to 68719476736",
        ),
        (
            "/advanced/rowGroupRowLimit",
            json!(0),
            "is 0, expected an integer of 1 or more",
        ),
        (
            "/advanced/compressionLevel",
            json!(23),
            "is 23, expected an integer from 0 to 22",
        ),
    ];
    for (pointer, value, expected) in cases {
        assert_refused(pointer, value, expected);
    }
}

#[test]
fn other_wrong_properties_are_named_too() {
    assert_refused(
        "/advanced",
        json!([]),
        "`/advanced` is an array, expected an object",
    );
    assert_refused(
        "/advanced/pathStyle",
        json!("yes"),
        "is a string, expected a boolean",
    );
    let hint =
        "`/advanced/pathStile` is not a known property (did you mean `/advanced/pathStyle`?)";
    assert_refused("/advanced/pathStile", json!(true), hint);
    let strange = json!({"a~b/c": true});
    assert_refused(
        "/advanced",
        strange,
        "`/advanced/a~0b~1c` is not a known property",
    );
}

#[test]
fn all_problems_are_named_at_once() {
    let message =
        problem(&json!({"bucket": "", "region": 1, "advanced": {"endpoint": "s3.example.com"}}));
    for pointer in [
        "/awsAccessKeyId",
        "/awsSecretAccessKey",
        "/bucket",
        "/region",
        "/uploadIntervalInSeconds",
        "/advanced/endpoint",
    ] {
        assert!(
            message.contains(&format!("`{pointer}` ")),
            "{pointer}: {message}"
        );
    }
}

#[test]
fn what_is_no_object_is_refused_without_its_text() {
    for json in [
        "",
        "{",
        "[\"hunter2\"]",
        "\"hunter2\"",
        "hunter2",
        "null",
        "{\"a\": hunter2}",
    ] {
        let message = EndpointConfig::from_json(json.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("the endpoint configuration: it is "),
            "{message}"
        );
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn unknown_properties_of_the_root_are_warnings_that_name_the_right_one() {
    let mut config = minimal();
    config["advancd"] = json!({});
    config["endpoint"] = json!("https://s3.example.com");
    assert_eq!(
        parse(&config).unwrap().warnings,
        [
            "`/advancd` is not a known property (did you mean `/advanced`?)",
            "`/endpoint` is not a known property (did you mean `/advanced/endpoint`?)",
        ]
    );
}

#[test]
fn a_name_that_is_like_no_other_is_not_taken_for_a_slip() {
    let brotli = json!({"pathPrefix": "a", "compressionType": "brotli"});
    let error = resource(&brotli).unwrap_err().to_string();
    assert!(!error.contains("did you mean"), "{error}");
    let mut config = minimal();
    config["prefix"] = json!("lake");
    config["colour"] = json!("red");
    let warnings = parse(&config).unwrap().warnings;
    let [colour, prefix] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert_eq!(
        prefix,
        "`/prefix` is not a known property (`/pathPrefix` is a property of each binding's \
         resource)"
    );
    assert!(
        colour.contains("known are `/advanced`, `/awsAccessKeyId`") && colour.contains("`/region`"),
        "{colour}"
    );
}

#[test]
fn the_stanza_of_the_encryption_of_secrets_is_no_news() {
    let mut config = minimal();
    config["sops"] = json!({"mac": "x"});
    assert_eq!(parse(&config).unwrap().warnings, Vec::<String>::new());
    config["sopz"] = json!({});
    assert_eq!(parse(&config).unwrap().warnings.len(), 1);
    // And only at the endpoint's root.
    config["advanced"] = json!({"sops": {}});
    assert!(problem(&config).contains("`/advanced/sops`"));
    let resource = br#"{"pathPrefix": "a", "sops": {}}"#;
    assert!(ResourceConfig::from_json(resource).is_err());
}

#[test]
fn a_typo_in_a_required_property_is_named_beside_the_missing_one() {
    let mut config = minimal();
    let secret = config
        .as_object_mut()
        .unwrap()
        .remove("awsSecretAccessKey")
        .unwrap();
    config["awsSecretAcessKey"] = secret;
    let message = problem(&config);
    assert!(
        message.contains("`/awsSecretAccessKey` is missing"),
        "{message}"
    );
    assert!(message.contains(
        "`/awsSecretAcessKey` is not a known property (did you mean `/awsSecretAccessKey`?)"
    ));
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn debug_output_hides_the_secret() {
    let parsed = parse(&full()).unwrap();
    assert!(!format!("{parsed:?}").contains("hunter2"));
}

#[test]
fn a_resource_is_a_prefix_and_a_compression() {
    let default = resource(&json!({"pathPrefix": "/a/b/"})).unwrap();
    assert_eq!(default.path_prefix.normalised(), "a/b");
    assert_eq!(default.compression, Compression::Snappy);
    let cases = [
        ("none", Compression::None),
        ("snappy", Compression::Snappy),
        ("gzip", Compression::Gzip),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ];
    for (name, compression) in cases {
        let config = json!({"pathPrefix": "a", "compressionType": name});
        assert_eq!(resource(&config).unwrap().compression, compression);
    }
}

#[test]
fn wrong_resources_are_refused_with_the_right_form() {
    let cases = [
        (json!({}), "`/pathPrefix` is missing, expected a string"),
        (json!({"pathPrefix": ""}), "`/pathPrefix` is empty"),
        (json!({"pathPrefix": "a//b"}), "expected `a/b`"),
        (
            json!({"pathPrefix": "a", "compressionType": "brotli"}),
            "is `brotli`, expected one of `none`, `snappy`, `gzip`",
        ),
        (
            json!({"pathPrefix": "a", "compressionType": "ztsd"}),
            "did you mean `zstd`?",
        ),
        (
            json!({"pathPrefix": "a", "compresionType": "zstd"}),
            "did you mean `/compressionType`?",
        ),
    ];
    for (config, expected) in cases {
        let error = resource(&config).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.kind(), crate::error::ErrorKind::Config);
    }
}

#[test]
fn levels_are_those_of_the_codec() {
    for compression in [Compression::None, Compression::Snappy, Compression::Lz4] {
        assert_eq!(compression.level(Some(5)).unwrap(), None);
    }
    let fitting = [
        (Compression::Gzip, 0),
        (Compression::Gzip, 9),
        (Compression::Zstd, 1),
        (Compression::Zstd, 22),
    ];
    for (compression, level) in fitting {
        assert_eq!(compression.level(Some(level)).unwrap(), Some(level));
        assert_eq!(compression.level(None).unwrap(), None);
    }
    for (compression, level) in [(Compression::Gzip, 10), (Compression::Zstd, 0)] {
        let message = compression.level(Some(level)).unwrap_err().to_string();
        assert!(
            message.contains(&format!("`/advanced/compressionLevel` is {level}")),
            "{message}"
        );
    }
}

#[test]
fn the_schemas_have_the_titles_and_annotations_that_flow_shows() {
    let endpoint = endpoint_schema();
    let titles = [
        ("awsAccessKeyId", "Access Key ID"),
        ("awsSecretAccessKey", "Secret Access Key"),
        ("bucket", "Bucket"),
        ("region", "Region"),
        ("uploadIntervalInSeconds", "Upload Interval in Seconds"),
    ];
    for (order, (name, title)) in titles.iter().enumerate() {
        let property = &endpoint["properties"][name];
        assert_eq!(
            (&property["title"], &property["order"]),
            (&json!(title), &json!(order))
        );
    }
    assert_eq!(endpoint["required"], json!(titles.map(|(name, _)| name)));
    assert_eq!(endpoint["properties"]["awsSecretAccessKey"]["secret"], true);
    assert_eq!(endpoint["properties"]["awsAccessKeyId"].get("secret"), None);
    let advanced = &endpoint["properties"]["advanced"];
    assert_eq!(advanced["advanced"], true);
    assert_eq!(advanced["properties"]["endpoint"]["title"], "Endpoint");
    assert_eq!(
        advanced["properties"]["checksums"]["enum"],
        json!(["crc32", "none"])
    );
    assert_eq!(
        advanced["properties"]["fileSizeLimit"]["default"],
        DEFAULT_FILE_SIZE_LIMIT
    );

    let resource = resource_schema();
    assert_eq!(resource["required"], json!(["pathPrefix"]));
    assert_eq!(
        resource["properties"]["pathPrefix"]["x-collection-name"],
        true
    );
    let compression = &resource["properties"]["compressionType"];
    assert_eq!(
        compression["enum"],
        json!(["none", "snappy", "gzip", "lz4", "zstd"])
    );
    assert_eq!(compression["default"], "snappy");
}

#[test]
fn the_schemas_are_plain() {
    fn look(schema: &Value) {
        for keyword in ["$ref", "$defs", "definitions", "oneOf", "anyOf", "format"] {
            assert_eq!(schema.get(keyword), None, "{schema}");
        }
        assert!(schema["type"].is_string(), "{schema}");
        assert_ne!(schema.get("default"), Some(&Value::Null), "{schema}");
        assert!(
            schema["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{schema}"
        );
        for property in schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(|object| object.values())
        {
            look(property);
            assert!(property["order"].is_u64(), "{property}");
        }
    }
    look(&endpoint_schema());
    look(&resource_schema());
}

#[test]
fn the_schema_knows_exactly_the_properties_that_are_read() {
    fn names(object: &Value) -> Vec<&String> {
        object.as_object().unwrap().keys().collect()
    }
    let schema = endpoint_schema();
    let full = full();
    assert_eq!(names(&schema["properties"]), names(&full));
    assert_eq!(
        names(&schema["properties"]["advanced"]["properties"]),
        names(&full["advanced"])
    );
    for name in schema["required"].as_array().unwrap() {
        let mut config = full.clone();
        config
            .as_object_mut()
            .unwrap()
            .remove(name.as_str().unwrap());
        assert!(problem(&config).contains(&format!("`/{}` is missing", name.as_str().unwrap())));
    }
}
