//! Copies from object to object.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETagCondition,
    MetadataDirective, StorageClass,
};
use s3s::{S3Result, s3_error};

use super::Service;
use super::convert::{
    attributes, check_storage_class, etag, refuse_fields, set_checksum, timestamp,
};
use super::objects::{checksum_type, object_ref};
use crate::s3::state::{Attributes, CopyRequest};

impl Service {
    pub(super) fn copy_object(&self, input: &CopyObjectInput) -> S3Result<CopyObjectOutput> {
        refuse_fields!(
            input,
            acl,
            cache_control,
            checksum_algorithm,
            content_disposition,
            content_encoding,
            content_language,
            copy_source_if_modified_since,
            copy_source_if_none_match,
            copy_source_if_unmodified_since,
            copy_source_sse_customer_algorithm,
            expires,
            object_lock_legal_hold_status,
            object_lock_mode,
            server_side_encryption,
            sse_customer_algorithm,
            tagging,
            tagging_directive,
            website_redirect_location,
        );
        check_storage_class(input.storage_class.as_ref().map(StorageClass::as_str))?;
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = &input.copy_source
        else {
            return Err(s3_error!(
                NotImplemented,
                "copies from access points are not implemented"
            ));
        };
        let copy = CopyRequest {
            source: object_ref(bucket, key, version_id.as_deref()),
            if_match: if_match(input.copy_source_if_match.as_ref())?,
            attributes: replacement(input)?,
        };
        let now = self.now();
        let object = self
            .store()
            .copy_object(copy, &input.bucket, &input.key, now)?;
        let mut result = CopyObjectResult {
            checksum_type: object.checksum.as_ref().map(checksum_type),
            e_tag: Some(etag(&object.etag)),
            last_modified: Some(timestamp(object.modified)),
            ..CopyObjectResult::default()
        };
        set_checksum!(result, object.checksum.as_ref());
        Ok(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: version_id.as_deref().map(str::to_owned),
            version_id: object.version,
            ..CopyObjectOutput::default()
        })
    }
}

fn if_match(condition: Option<&ETagCondition>) -> S3Result<Option<&str>> {
    match condition {
        None => Ok(None),
        Some(ETagCondition::ETag(etag)) => Ok(Some(etag.value())),
        Some(ETagCondition::Any) => Err(s3_error!(
            NotImplemented,
            "x-amz-copy-source-if-match must name an ETag"
        )),
    }
}

/// What the copy carries instead of what its source does.
fn replacement(input: &CopyObjectInput) -> S3Result<Option<Attributes>> {
    let directive = input.metadata_directive.as_ref();
    match directive.map(MetadataDirective::as_str) {
        None | Some(MetadataDirective::COPY) => Ok(None),
        Some(MetadataDirective::REPLACE) => Ok(Some(attributes(
            input.content_type.clone(),
            input.metadata.clone(),
        ))),
        Some(other) => Err(s3_error!(
            InvalidArgument,
            "there is no metadata directive {other:?}"
        )),
    }
}
