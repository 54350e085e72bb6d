//! Operations on objects.

use s3s::dto::{
    ChecksumMode, ChecksumType, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, PutObjectInput, PutObjectOutput, StorageClass,
};
use s3s::{S3Request, S3Result, s3_error};

use super::Service;
use super::body::{Expected, receive, send};
use super::convert::{
    attributes, check_storage_class, checksum_of, etag, must_be_new, refuse_fields, set_checksum,
    timestamp,
};
use crate::s3::state::Checksum;

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
        let expected = Expected::new(checksum, input.content_md5.as_deref(), &request.headers)?;
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
            version_id,
        );
        let store = self.store();
        let object = store.object(&input.bucket, &input.key)?;
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
            version_id,
        );
        let store = self.store();
        let object = store.object(&input.bucket, &input.key)?;
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(object.payload.length() as i64),
            content_type: object.attributes.content_type.clone(),
            e_tag: Some(etag(&object.etag)),
            last_modified: Some(timestamp(object.modified)),
            metadata: Some(object.attributes.metadata.clone().into_iter().collect()),
            ..HeadObjectOutput::default()
        };
        if wanted(input.checksum_mode.as_ref()) {
            output.checksum_type = object.checksum.as_ref().map(checksum_type);
            set_checksum!(output, object.checksum.as_ref());
        }
        Ok(output)
    }

    pub(super) fn delete_object(&self, input: &DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        refuse_fields!(
            input,
            if_match,
            if_match_last_modified_time,
            if_match_size,
            version_id
        );
        self.store().remove_object(&input.bucket, &input.key)?;
        Ok(DeleteObjectOutput::default())
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
            refuse_fields!(object, e_tag, last_modified_time, size, version_id);
            store.remove_object(&input.bucket, &object.key)?;
            deleted.push(DeletedObject {
                key: Some(object.key.clone()),
                ..DeletedObject::default()
            });
        }
        let quiet = input.delete.quiet == Some(true);
        Ok(DeleteObjectsOutput {
            deleted: Some(deleted).filter(|_| !quiet),
            ..DeleteObjectsOutput::default()
        })
    }
}

fn wanted(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
}

fn checksum_type(checksum: &Checksum) -> ChecksumType {
    ChecksumType::from_static(if checksum.is_composite() {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    })
}
