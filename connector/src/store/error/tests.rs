use super::*;

fn aws() -> Location {
    Location {
        bucket: "lake".into(),
        region: "us-east-1".into(),
        endpoint: None,
        path_style: false,
    }
}

fn minio() -> Location {
    Location {
        endpoint: Some("https://minio.example:9000".into()),
        path_style: true,
        ..aws()
    }
}

fn answer(status: u16, code: &str) -> Failure {
    let code = (!code.is_empty()).then(|| code.to_owned());
    Failure {
        status: Some(status),
        code,
        message: Some("as S3 said".into()),
        ..Failure::default()
    }
}

#[test]
fn every_answer_about_the_bucket_or_who_asks_has_the_kind_and_the_advice_that_help() {
    assert_explained(&[
        (404, "NoSuchBucket", ErrorKind::Config, "`/bucket`"),
        (400, "InvalidBucketName", ErrorKind::Config, "`/bucket`"),
        (403, "AccessDenied", ErrorKind::Auth, "`s3:PutObject`"),
        (403, "", ErrorKind::Auth, "`s3:PutObject`"),
        (
            403,
            "InvalidAccessKeyId",
            ErrorKind::Auth,
            "`/awsAccessKeyId`",
        ),
        (
            403,
            "SignatureDoesNotMatch",
            ErrorKind::Auth,
            "`/awsSecretAccessKey`",
        ),
        (400, "ExpiredToken", ErrorKind::Auth, "have expired"),
        (400, "InvalidToken", ErrorKind::Auth, "temporary"),
        (403, "RequestTimeTooSkewed", ErrorKind::Config, "clock"),
        (301, "PermanentRedirect", ErrorKind::Config, "`/region`"),
        (301, "", ErrorKind::Config, "`/region`"),
        (
            400,
            "IllegalLocationConstraintException",
            ErrorKind::Config,
            "`/region`",
        ),
        (
            400,
            "AuthorizationHeaderMalformed",
            ErrorKind::Auth,
            "`/awsAccessKeyId`",
        ),
    ]);
}

#[test]
fn every_other_answer_has_the_kind_and_the_advice_that_help() {
    assert_explained(&[
        (404, "NoSuchUpload", ErrorKind::Unavailable, "removed"),
        (400, "InvalidPart", ErrorKind::Unavailable, "restarts"),
        (400, "EntityTooSmall", ErrorKind::Internal, "report"),
        (
            403,
            "SecondLevelDomainForbidden",
            ErrorKind::Config,
            "`/advanced/pathStyle` to false",
        ),
        (411, "MissingContentLength", ErrorKind::Config, "proxy"),
        (411, "", ErrorKind::Config, "proxy"),
        (407, "", ErrorKind::Config, "`HTTPS_PROXY`"),
        (
            412,
            "PreconditionFailed",
            ErrorKind::Config,
            "staging folder",
        ),
        (400, "KMS.DisabledException", ErrorKind::Config, "KMS key"),
        (
            501,
            "NotImplemented",
            ErrorKind::Config,
            "`/advanced/checksums`",
        ),
        (503, "SlowDown", ErrorKind::Unavailable, "later"),
        (200, "InternalError", ErrorKind::Unavailable, "later"),
        (500, "", ErrorKind::Unavailable, "later"),
        (507, "XMinioStorageFull", ErrorKind::Unavailable, "later"),
        (429, "", ErrorKind::Unavailable, "later"),
        (400, "BadDigest", ErrorKind::Unavailable, "by its checksum"),
        (400, "InvalidArgument", ErrorKind::Config, "says why"),
    ]);
}

/// Checks what is said of status and code, by kind and advice, for uploading a part.
fn assert_explained(cases: &[(u16, &str, ErrorKind, &str)]) {
    for &(status, code, kind, advice) in cases {
        let error = explain(
            Operation::UploadPart,
            &aws(),
            "orders/1.parquet",
            &answer(status, code),
        );
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        for part in [
            advice,
            "uploading a part",
            "orders/1.parquet",
            "lake",
            &status.to_string(),
            code,
            "as S3 said",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

#[test]
fn access_denied_names_the_action() {
    let cases = [
        (Operation::CreateUpload, "s3:PutObject"),
        (Operation::CompleteUpload, "s3:PutObject"),
        (Operation::AbortUpload, "s3:AbortMultipartUpload"),
        (Operation::HeadObject, "s3:GetObject"),
        (Operation::ListUploads, "s3:ListBucketMultipartUploads"),
        (Operation::PutObject, "s3:PutObject"),
        (Operation::GetObject, "s3:GetObject"),
        (Operation::CopyObject, "s3:GetObject"),
        (Operation::CopyObject, "s3:PutObject"),
        (Operation::DeleteObject, "s3:DeleteObject"),
        (Operation::ListObjects, "s3:ListBucket"),
    ];
    for (operation, action) in cases {
        let text = explain(operation, &aws(), "orders/", &answer(403, "AccessDenied")).to_string();
        assert!(text.contains(action), "{text}");
    }
}

/// What is said of an answer to uploading a part that S3 explains with `message`.
fn told(operation: Operation, status: u16, code: &str, message: &str) -> (ErrorKind, String) {
    let failure = Failure {
        message: Some(message.into()),
        ..answer(status, code)
    };
    let error = explain(operation, &minio(), "orders/1.parquet", &failure);
    (error.kind(), error.to_string())
}

#[test]
fn refused_headers_of_checksums_name_their_property() {
    let cases = [
        (
            400,
            "InvalidArgument",
            "Unsupported header 'x-amz-checksum-crc32' received for this API call.",
        ),
        (
            501,
            "NotImplemented",
            "Header 'x-amz-checksum-algorithm' with value 'CRC32' not implemented",
        ),
        (
            400,
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm is not supported",
        ),
    ];
    for operation in [
        Operation::CreateUpload,
        Operation::UploadPart,
        Operation::PutObject,
    ] {
        for (status, code, message) in cases {
            let (kind, text) = told(operation, status, code, message);
            assert_eq!(kind, ErrorKind::Config, "{text}");
            assert!(
                text.contains("set `/advanced/checksums` to `none`"),
                "{text}"
            );
        }
    }
    let (_, text) = told(
        Operation::UploadPart,
        400,
        "InvalidRequest",
        "Value for x-amz-checksum-crc32 header is invalid.",
    );
    assert!(!text.contains("/advanced/checksums"), "{text}");
    let (_, text) = told(
        Operation::PutObject,
        400,
        "InvalidArgument",
        "Unsupported header 'x-amz-acl'",
    );
    assert!(!text.contains("/advanced/checksums"), "{text}");
}

#[test]
fn a_part_beyond_the_limit_of_the_store_names_the_size_that_fits() {
    let message = "Part number must be an integer between 1 and 1000, inclusive";
    let (kind, text) = told(Operation::UploadPart, 400, "InvalidArgument", message);
    assert_eq!(kind, ErrorKind::Config, "{text}");
    let fitting = 900 * PART_BYTES;
    assert!(
        text.contains(&format!("`/advanced/fileSizeLimit` to {fitting} or less")),
        "{text}"
    );
    let (_, text) = told(
        Operation::UploadPart,
        400,
        "InvalidArgument",
        "Invalid part number",
    );
    assert!(text.contains("`/advanced/fileSizeLimit`"), "{text}");
    let (_, text) = told(Operation::CreateUpload, 400, "InvalidArgument", message);
    assert!(!text.contains("fileSizeLimit"), "{text}");
}

#[test]
fn a_refused_look_names_what_makes_aws_answer_that_nothing_is_there() {
    let failure = answer(403, "");
    let error = explain(Operation::HeadObject, &aws(), "orders/1.parquet", &failure);
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Auth, "{text}");
    for part in [
        "`s3:ListBucket` on the bucket `lake` itself",
        "`s3:GetObject`",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_denial_of_the_key_management_names_its_permission() {
    let key = "arn:aws:kms:us-east-1:111122223333:key/1";
    let cases = [
        (
            format!(
                "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on \
                 resource: {key}"
            ),
            "allow `kms:Decrypt` on that key",
        ),
        (
            format!(
                "The ciphertext refers to a customer master key that you are not allowed to \
                 access ({key})"
            ),
            "allow `kms:GenerateDataKey` and `kms:Decrypt` on that key",
        ),
    ];
    for (message, advice) in cases {
        for operation in [
            Operation::CreateUpload,
            Operation::UploadPart,
            Operation::CopyObject,
        ] {
            let (kind, text) = told(operation, 403, "AccessDenied", &message);
            assert_eq!(kind, ErrorKind::Auth, "{text}");
            assert!(text.contains(advice), "{text}");
            assert!(!text.contains("`s3:PutObject`"), "{text}");
        }
    }
}

#[test]
fn transient_is_what_may_succeed_when_asked_again() {
    let cases = [
        (429, "", true),
        (500, "", true),
        (502, "", true),
        (503, "SlowDown", true),
        (504, "", true),
        (429, "TooManyRequests", true),
        (400, "BadDigest", true),
        (400, "XAmzContentChecksumMismatch", true),
        (409, "OperationAborted", true),
        (400, "RequestTimeout", true),
        (200, "InternalError", true),
        (403, "RequestTimeTooSkewed", false),
        (503, "RequestTimeTooSkewed", false),
        (403, "AccessDenied", false),
        (404, "NoSuchUpload", false),
        (400, "InvalidPart", false),
        (501, "NotImplemented", false),
        (507, "XMinioStorageFull", false),
    ];
    for (status, code, transient) in cases {
        assert_eq!(
            answer(status, code).is_transient(),
            transient,
            "{status} {code}"
        );
    }
    let cases = [
        (Transport::Timeout, true),
        (Transport::Broken, true),
        (Transport::Refused, true),
        (Transport::Proxy, true),
        (Transport::Garbled, true),
        (Transport::Name, false),
        (Transport::Tls, false),
        (Transport::Unbuildable, false),
    ];
    for (transport, transient) in cases {
        let failure = Failure {
            transport: Some(transport),
            ..Failure::default()
        };
        assert_eq!(failure.is_transient(), transient, "{transport:?}");
    }
}

#[test]
fn the_right_region_is_named_where_s3_names_it() {
    let failure = Failure {
        region: Some("eu-west-1".into()),
        ..answer(400, "AuthorizationHeaderMalformed")
    };
    let error = explain(Operation::CreateUpload, &aws(), "orders/", &failure);
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("set `/region` to `eu-west-1`"),
        "{error}"
    );
}

#[test]
fn broken_transport_names_the_endpoint_and_its_property() {
    let cases = [
        (Transport::Name, ErrorKind::Config),
        (Transport::Refused, ErrorKind::Unavailable),
        (Transport::Proxy, ErrorKind::Unavailable),
        (Transport::Tls, ErrorKind::Config),
        (Transport::Timeout, ErrorKind::Unavailable),
        (Transport::Broken, ErrorKind::Unavailable),
        (Transport::Garbled, ErrorKind::Unavailable),
        (Transport::Unbuildable, ErrorKind::Config),
    ];
    for (transport, kind) in cases {
        let failure = Failure {
            transport: Some(transport),
            message: Some("the cause".into()),
            ..Failure::default()
        };
        let error = explain(Operation::CreateUpload, &minio(), "orders/", &failure);
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("https://minio.example:9000") && text.contains("the cause"),
            "{text}"
        );
    }
    let failure = Failure {
        transport: Some(Transport::Tls),
        ..Failure::default()
    };
    let error = explain(Operation::CreateUpload, &minio(), "", &failure);
    assert!(error.to_string().contains("`AWS_CA_BUNDLE`"), "{error}");
    let failure = Failure {
        transport: Some(Transport::Name),
        ..Failure::default()
    };
    let hosted = Location {
        path_style: false,
        ..minio()
    };
    assert!(
        explain(Operation::CreateUpload, &hosted, "", &failure)
            .to_string()
            .contains("`/advanced/pathStyle`")
    );
    assert!(
        explain(Operation::CreateUpload, &aws(), "", &failure)
            .to_string()
            .contains("`/region`")
    );
}

#[test]
fn what_the_causes_tell_of_the_transport() {
    let cases = [
        (
            "client error (Connect): dns error: failed to lookup address information: Name or \
             service not known",
            Transport::Name,
        ),
        (
            "client error (Connect): tcp connect error: Connection refused (os error 111)",
            Transport::Refused,
        ),
        (
            "client error (Connect): tunnel error: failed to create underlying connection: tcp \
             connect error: Connection refused",
            Transport::Proxy,
        ),
        (
            "client error (Connect): invalid peer certificate: UnknownIssuer",
            Transport::Tls,
        ),
        (
            "client error (Connect): received corrupt message of type InvalidContentType",
            Transport::Tls,
        ),
        (
            "client error (SendRequest): connection reset by peer",
            Transport::Broken,
        ),
    ];
    for (causes, transport) in cases {
        assert_eq!(Transport::from_causes(causes), transport, "{causes}");
    }
}

#[test]
fn what_stands_between_two_texts() {
    assert_eq!(
        between(
            "<Error><Region>eu-west-1</Region></Error>",
            "<Region>",
            "</Region>"
        )
        .as_deref(),
        Some("eu-west-1")
    );
    assert_eq!(
        between(
            "the region is wrong; expecting 'eu-west-1'",
            "expecting '",
            "'"
        )
        .as_deref(),
        Some("eu-west-1")
    );
    assert_eq!(between("nothing", "<Region>", "</Region>"), None);
}
