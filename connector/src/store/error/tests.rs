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
fn every_answer_has_the_kind_and_the_advice_that_help() {
    let cases = [
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
        (400, "ExpiredToken", ErrorKind::Auth, "temporary"),
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
        (404, "NoSuchUpload", ErrorKind::Unavailable, "removed"),
        (400, "InvalidPart", ErrorKind::Internal, "report"),
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
        (400, "InvalidArgument", ErrorKind::Config, "says why"),
    ];
    for (status, code, kind, advice) in cases {
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
    ];
    for (operation, action) in cases {
        let text = explain(operation, &aws(), "orders/", &answer(403, "AccessDenied")).to_string();
        assert!(text.contains(action), "{text}");
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
            "client error (Connect): dns error: failed to lookup address information: Name or service not known",
            Transport::Name,
        ),
        (
            "client error (Connect): tcp connect error: Connection refused (os error 111)",
            Transport::Refused,
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
