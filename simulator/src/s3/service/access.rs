//! Who may do what: the one key pair, and signatures for the right region.

use hyper::header::AUTHORIZATION;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

/// The one key pair the server knows.
#[derive(Clone)]
pub(super) struct KeyPair {
    access_key_id: String,
    secret_access_key: SecretKey,
}

impl KeyPair {
    pub(super) fn new(access_key_id: &str, secret_access_key: &str) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: SecretKey::from(secret_access_key),
        }
    }
}

#[async_trait::async_trait]
impl S3Auth for KeyPair {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            return Ok(self.secret_access_key.clone());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "the access key id {access_key:?} does not exist"
        ))
    }
}

/// Refuses requests that are not signed, not with Signature Version 4, or for another region than
/// the server's.
pub(super) struct SignedForRegion(pub(super) Option<String>);

#[async_trait::async_trait]
impl S3Access for SignedForRegion {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "requests must be signed"));
        }
        let header = context.headers().get(AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok());
        let query = context.uri().query();
        let Some(signed_for) = header.or(query).and_then(credential_region) else {
            return Err(s3_error!(
                AccessDenied,
                "requests must be signed with Signature Version 4"
            ));
        };
        match self.0.as_deref() {
            Some(region) if region != signed_for => Err(s3_error!(
                AuthorizationHeaderMalformed,
                "The authorization header is malformed; the region '{signed_for}' is wrong; \
                 expecting '{region}'"
            )),
            _ => Ok(()),
        }
    }
}

/// The region in a credential scope, `…Credential=<key id>/<date>/<region>/s3/aws4_request…`, of a
/// header or a query.
fn credential_region(text: &str) -> Option<&str> {
    let (_, scope) = text.split_once("Credential=")?;
    let separator = if scope.contains("%2F") { "%2F" } else { "/" };
    scope.split(separator).nth(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_found_in_header_and_query() {
        let header = "AWS4-HMAC-SHA256 Credential=AK/20130524/eu-west-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0";
        assert_eq!(credential_region(header), Some("eu-west-1"));
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20130524%2Feu-west-1%\
                     2Fs3%2Faws4_request&X-Amz-Date=0";
        assert_eq!(credential_region(query), Some("eu-west-1"));
        assert_eq!(credential_region("AWS AK:signature"), None);
    }
}
