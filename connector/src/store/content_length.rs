//! The length of requests without a body.
//!
//! The SDK gives none where there is no body to measure, and hyper adds none. Google's S3 answers
//! such a POST or PUT with 411, so that no upload could begin there.

use aws_sdk_s3::client::customize::CustomizableOperation;

/// The same request, of an operation without a body, with `Content-Length: 0`.
pub(super) fn with_content_length<T, E, B>(
    operation: CustomizableOperation<T, E, B>,
) -> CustomizableOperation<T, E, B> {
    operation.mutate_request(|request| {
        request.headers_mut().insert("content-length", "0");
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::Client;
    use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::store::error::Failure;

    /// A client of a server that answers each request with its own head, as an error's message, so
    /// that the test can read it.
    async fn echo() -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 1 << 14];
                let read = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..read]).replace(['<', '>', '&'], "");
                let body = format!("<Error><Code>Echo</Code><Message>{head}</Message></Error>");
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 400 x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .force_path_style(true)
            .endpoint_url(endpoint);
        Client::from_conf(config.build())
    }

    #[tokio::test]
    async fn a_request_without_a_body_says_so() {
        let client = echo().await;
        let create = client.create_multipart_upload().bucket("lake").key("a");
        let copy = client.copy_object().bucket("lake").key("a");
        let create = with_content_length(create.customize()).send().await;
        let copy = with_content_length(copy.copy_source("lake/b").customize())
            .send()
            .await;
        let heads = [
            Failure::from(create.unwrap_err()).message.unwrap(),
            Failure::from(copy.unwrap_err()).message.unwrap(),
        ];
        for head in heads.map(|head| head.to_lowercase()) {
            assert_eq!(head.matches("content-length: 0").count(), 1, "{head}");
        }
    }
}
