use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Builder as ConfigBuilder, Credentials, Region};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::*;
use crate::checkpoint::Location;
use crate::error::ErrorKind;
use crate::store::error::{Failure, Operation, explain};

/// A self-signed certificate of `localhost`, and its key, which guards nothing.
const CERTIFICATE: &str = "MIIBozCCAUigAwIBAgIUBiYZk7gJI4oxolh6vSQy6L6vkygwCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwOZmxvdy1zaW0ncyBvd24wIBcNMjYxMTIzMDQw\
    NzIwWhgPMjEyNjEwMzAwNDA3MjBaMBkxFzAVBgNVBAMMDmZsb3ctc2ltJ3Mgb3duMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvOiHcAx0jA56SWkB\
    1Qw88vOwJMboB2pagka8oqhWMDmZzkFQcrHarpDCV+ccJBolHlXY6TImUaeXqHpDem7yS6NsMGowHQYDVR0OBBYEFGuWhmaMjlHOUBL4svqaQDruK2rF\
    MB8GA1UdIwQYMBaAFGuWhmaMjlHOUBL4svqaQDruK2rFMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMC\
    A0kAMEYCIQC20dWjzC0zqPDKhHUHfevseMf1jwOjQmbLIAcv4fynCQIhAK5dnVUK876tjkx2lkzGnexWN6wo30xzJ16w+WOR670e";
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+rle5+NnzMUboR9uEGJWQnnOl9EgjQFrGci9OF0Dc8WhRANCAAS86IdwDHSMDnpJaQHV\
    DDzy87AkxugHalqCRryiqFYwOZnOQVBysdqukMJX5xwkGiUeVdjpMiZRp5eoekN6bvJL";

/// Accepts TLS connections by a certificate that no system trusts.
pub(in crate::store) fn acceptor() -> TlsAcceptor {
    let decoded = |text| STANDARD.decode(text).unwrap();
    let chain = vec![decoded(CERTIFICATE).into()];
    let key = PrivatePkcs8KeyDer::from(decoded(KEY));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

const NO_UPLOADS: &str = "HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: \
                          60\r\n\r\n<ListMultipartUploadsResult></ListMultipartUploadsResult>   ";

/// A TLS server that answers every request with an empty listing.
async fn tls_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let acceptor = acceptor();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut vec![0; 1 << 14]).await;
            let _ = stream.write_all(NO_UPLOADS.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    endpoint
}

/// Asks the endpoint for a listing, once, and tells the error as the user would read it.
async fn ask(endpoint: &str, client: SharedHttpClient) -> Result<()> {
    let config = ConfigBuilder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .force_path_style(true)
        .endpoint_url(endpoint)
        .http_client(client);
    let location = Location {
        bucket: "lake".into(),
        region: "eu-west-1".into(),
        endpoint: Some(endpoint.into()),
        path_style: true,
    };
    let listed = Client::from_conf(config.build())
        .list_multipart_uploads()
        .bucket("lake")
        .send()
        .await;
    let failed = |failure| explain(Operation::ListUploads, &location, "a/", &failure);
    listed.map(drop).map_err(Failure::from).map_err(failed)
}

fn bundle(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test]
async fn a_certificate_is_trusted_with_the_bundle_and_refused_without() {
    let endpoint = tls_server().await;
    let error = ask(&endpoint, http_client(None).unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    for part in ["AWS_CA_BUNDLE", "UnknownIssuer", &endpoint] {
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
    // What cannot be read in a bundle does not matter, as long as something can.
    let certificate = pem(&STANDARD.decode(CERTIFICATE).unwrap());
    let file = bundle(&format!("# Ours\n{}{certificate}", pem(b"no certificate")));
    let client = http_client(Some(file.path())).unwrap();
    ask(&endpoint, client).await.unwrap();
}

#[test]
fn a_bundle_without_certificates_is_named_with_its_variable() {
    let empty = bundle("");
    let garbage = bundle(&pem(b"no certificate"));
    let cases = [
        (empty.path(), "holds no certificate"),
        (garbage.path(), "holds no certificate"),
        (Path::new("/no/such/file.pem"), "cannot be read"),
    ];
    for (path, problem) in cases {
        let error = http_client(Some(path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        for part in ["AWS_CA_BUNDLE", problem, &path.display().to_string()] {
            assert!(error.to_string().contains(part), "{part} in {error}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_serve_is_told_from_the_store() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut vec![0; 1 << 14]).await;
            let answer = "HTTP/1.1 407 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let silent = "http://127.0.0.1:1";
    let cases = [
        (
            proxy.as_str(),
            "https://s3.invalid",
            "the user and password",
        ),
        (&proxy, "http://s3.invalid", "a user and a password"),
        (silent, "https://s3.invalid", "check that it runs"),
        (silent, "http://s3.invalid", "if there is a proxy"),
    ];
    for (proxy, endpoint, advice) in cases {
        let proxies = ProxyConfig::all(proxy).unwrap();
        let client = client(TrustStore::default(), proxies).unwrap();
        let text = ask(endpoint, client).await.unwrap_err().to_string();
        for part in [advice, "_PROXY`"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
