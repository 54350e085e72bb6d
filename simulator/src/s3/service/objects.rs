//! Operations on objects.

use s3s::dto::{
    ChecksumMode, ChecksumType, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, PutObjectInput, PutObjectOutput, StorageClass,
};
use s3s::{S3Request, S3Result, s3_error};

use super::Service;
use super::body::{receive, send};
use super::convert::{
    attributes, check_storage_class, checksum_of, etag, must_be_new, refuse_fields, set_checksum,
    timestamp,
};
use crate::s3::state::{Checksum, ObjectRef};

impl Service {
    pub(super) async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<PutObjectOutput> {
        let input = request.input;
        refuse_fields!(
            input,
            acl,
            cache_control,
            content_disposition,
            content_language,
            expires,
            if_match,
            object_lock_legal_hold_status,
            object_lock_mode,
            server_side_encryption,
            sse_customer_algorithm,
            tagging,
            website_redirect_location,
            write_offset_bytes,
        );
        check_storage_class(input.storage_class.as_ref().map(StorageClass::as_str))?;
        let must_be_new = must_be_new(input.if_none_match.as_ref())?;
        let checksum = checksum_of!(input)?;
        let md5 = input.content_md5.as_deref();
        let expected = self.expected(checksum, md5, &request.headers)?;
        let trailers = request.trailing_headers.as_ref();
        let content = receive(input.body, trailers, expected, self.discard).await?;
        let attributes = attributes(input.content_type, input.metadata);
        let now = self.now();
        let object = self.store().put_object(
            &input.bucket,
            &input.key,
            content,
            attributes,
            must_be_new,
            now,
        )?;
        let mut output = PutObjectOutput {
            e_tag: Some(etag(&object.etag)),
            version_id: object.version.clone(),
            ..PutObjectOutput::default()
        };
        set_checksum!(output, object.checksum.as_ref());
        Ok(output)
    }

    pub(super) fn get_object(&self, input: &GetObjectInput) -> S3Result<GetObjectOutput> {
        refuse_fields!(
            input,
            if_match,
            if_modified_since,
            if_none_match,
            if_unmodified_since,
            part_number,
        );
        let store = self.store();
        let named = object_ref(&input.bucket, &input.key, input.version_id.as_deref());
        let object = store.version(named)?;
        if object.payload.is_discarded() {
            return Err(s3_error!(
                NotImplemented,
                "this server was started to discard bodies: there is nothing to read"
            ));
        }
        let length = object.payload.length();
        let range = match input.range {
            Some(range) => Some(range.check(length).map_err(|_| s3_error!(InvalidRange))?),
            None => None,
        };
        let part = object.payload.slice(range.clone().unwrap_or(0..length));
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(send(&part)),
            content_length: Some(part.length() as i64),
            content_range: range
                .as_ref()
                .map(|range| format!("bytes {}-{}/{length}", range.start, range.end - 1)),
            content_type: object.attributes.content_type.clone(),
            e_tag: Some(etag(&object.etag)),
            last_modified: Some(timestamp(object.modified)),
            metadata: Some(object.attributes.metadata.clone().into_iter().collect()),
            version_id: object.version.clone(),
            ..GetObjectOutput::default()
        };
        if range.is_none() && wanted(input.checksum_mode.as_ref()) {
            output.checksum_type = object.checksum.as_ref().map(checksum_type);
            set_checksum!(output, object.checksum.as_ref());
        }
        Ok(output)
    }

    pub(super) fn head_object(&self, input: &HeadObjectInput) -> S3Result<HeadObjectOutput> {
        refuse_fields!(
            input,
            if_match,
            if_modified_since,
            if_none_match,
            if_unmodified_since,
            part_number,
            range,
        );
        let store = self.store();
        let named = object_ref(&input.bucket, &input.key, input.version_id.as_deref());
        let object = store.version(named)?;
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(object.payload.length() as i64),
            content_type: object.attributes.content_type.clone(),
            e_tag: Some(etag(&object.etag)),
            last_modified: Some(timestamp(object.modified)),
            metadata: Some(object.attributes.metadata.clone().into_iter().collect()),
            version_id: object.version.clone(),
            ..HeadObjectOutput::default()
        };
        if wanted(input.checksum_mode.as_ref()) {
            output.checksum_type = object.checksum.as_ref().map(checksum_type);
            set_checksum!(output, object.checksum.as_ref());
        }
        Ok(output)
    }

    pub(super) fn delete_object(&self, input: &DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        refuse_fields!(input, if_match, if_match_last_modified_time, if_match_size);
        let named = object_ref(&input.bucket, &input.key, input.version_id.as_deref());
        let deleted = self.store().delete(named)?;
        Ok(DeleteObjectOutput {
            delete_marker: deleted.is_marker.then_some(true),
            version_id: deleted.version,
            ..DeleteObjectOutput::default()
        })
    }

    pub(super) fn delete_objects(
        &self,
        input: &DeleteObjectsInput,
    ) -> S3Result<DeleteObjectsOutput> {
        let mut deleted = Vec::new();
        let mut store = self.store();
        if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
            return Err(s3_error!(
                MalformedXML,
                "between 1 and 1000 objects can be deleted at once"
            ));
        }
        for object in &input.delete.objects {
            refuse_fields!(object, e_tag, last_modified_time, size);
            let named = object_ref(&input.bucket, &object.key, object.version_id.as_deref());
            let done = store.delete(named)?;
            deleted.push(DeletedObject {
                key: Some(object.key.clone()),
                version_id: object.version_id.clone(),
                delete_marker: done.is_marker.then_some(true),
                delete_marker_version_id: done.version.filter(|_| done.is_marker),
            });
        }
        let quiet = input.delete.quiet == Some(true);
        Ok(DeleteObjectsOutput {
            deleted: Some(deleted).filter(|_| !quiet),
            ..DeleteObjectsOutput::default()
        })
    }
}

pub(super) fn object_ref<'a>(
    bucket: &'a str,
    key: &'a str,
    version: Option<&'a str>,
) -> ObjectRef<'a> {
    ObjectRef {
        bucket,
        key,
        version,
    }
}

fn wanted(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
}

pub(super) fn checksum_type(checksum: &Checksum) -> ChecksumType {
    ChecksumType::from_static(if checksum.is_composite() {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    })
}
