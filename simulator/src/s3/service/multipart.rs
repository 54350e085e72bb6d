//! Operations on multipart uploads.

use std::time::Duration;

use hyper::StatusCode;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload, Part,
    StorageClass, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::Service;
use super::body::receive;
use super::convert::{
    algorithm, attributes, check_storage_class, checksum_of, etag, must_be_new, page_limit,
    refuse_fields, set_checksum, timestamp,
};
use crate::s3::client::{Client, DISCONNECTED};
use crate::s3::state::{self, Algorithm, PartClaim, Upload, UploadQuery, UploadRef};

impl Service {
    pub(super) fn create_multipart_upload(
        &self,
        input: &CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        refuse_fields!(
            input,
            acl,
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            expires,
            object_lock_legal_hold_status,
            object_lock_mode,
            server_side_encryption,
            sse_customer_algorithm,
            tagging,
            website_redirect_location,
        );
        check_storage_class(input.storage_class.as_ref().map(StorageClass::as_str))?;
        check_composite(input.checksum_type.as_ref())?;
        let name = input.checksum_algorithm.as_ref();
        let algorithm = algorithm(name.map(ChecksumAlgorithm::as_str))?;
        let attributes = attributes(input.content_type.clone(), input.metadata.clone());
        let now = self.now();
        let mut store = self.store();
        let upload_id =
            store.create_upload(&input.bucket, &input.key, attributes, algorithm, now)?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(upload_id),
            checksum_algorithm: algorithm.map(named),
            checksum_type: algorithm.map(|_| composite()),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let input = request.input;
        refuse_fields!(input, sse_customer_algorithm);
        let checksum = checksum_of!(input)?;
        let md5 = input.content_md5.as_deref();
        let expected = self.expected(checksum, md5, &request.headers)?;
        let trailers = request.trailing_headers.as_ref();
        let content = receive(input.body, trailers, expected, self.discard).await?;
        let upload = upload_ref(&input.bucket, &input.key, &input.upload_id);
        let now = self.now();
        let mut store = self.store();
        let part = store.put_part(upload, input.part_number, content, now)?;
        let mut output = UploadPartOutput {
            e_tag: Some(etag(&part.etag())),
            ..UploadPartOutput::default()
        };
        set_checksum!(output, part.content.checksum.as_ref());
        Ok(output)
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let input = &request.input;
        refuse_fields!(input, if_match, mpu_object_size, sse_customer_algorithm);
        check_composite(input.checksum_type.as_ref())?;
        let must_be_new = must_be_new(input.if_none_match.as_ref())?;
        let parts = input.multipart_upload.as_ref();
        let parts = parts.and_then(|upload| upload.parts.as_deref());
        let claims = parts.into_iter().flatten().map(claim);
        let claims = claims.collect::<S3Result<Vec<PartClaim>>>()?;
        let upload = upload_ref(&input.bucket, &input.key, &input.upload_id);
        let client = request.extensions.get::<Client>();
        if self.is_lost(client, upload, &claims, must_be_new).await {
            return Err(disconnected());
        }
        let now = self.now();
        let completed = self
            .store()
            .complete_upload(upload, &claims, must_be_new, now)?;
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            e_tag: Some(etag(&completed.etag)),
            checksum_type: completed.checksum.as_ref().map(|_| composite()),
            version_id: completed.version,
            ..CompleteMultipartUploadOutput::default()
        };
        set_checksum!(output, completed.checksum.as_ref());
        Ok(output)
    }

    /// Takes the time that a completion needs. Where its client is gone by then, the rules may lose
    /// the upload.
    async fn is_lost(
        &self,
        client: Option<&Client>,
        upload: UploadRef<'_>,
        claims: &[PartClaim],
        must_be_new: bool,
    ) -> bool {
        let milliseconds = self.store().rules().completing.milliseconds;
        // Even a sleep of no time would wait for the timer's next millisecond.
        if milliseconds > 0 {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
        let Some(gone) = client.filter(|client| client.is_gone()) else {
            return false;
        };
        let mut store = self.store();
        // What cannot be lost is answered as if its client were there.
        store.loses(upload, gone.attempt) && store.lose_upload(upload, claims, must_be_new).is_ok()
    }

    pub(super) fn abort_multipart_upload(
        &self,
        input: &AbortMultipartUploadInput,
    ) -> S3Result<AbortMultipartUploadOutput> {
        refuse_fields!(input, if_match_initiated_time);
        let upload = upload_ref(&input.bucket, &input.key, &input.upload_id);
        self.store().abort_upload(upload)?;
        Ok(AbortMultipartUploadOutput::default())
    }

    pub(super) fn list_multipart_uploads(
        &self,
        input: &ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        refuse_fields!(input, delimiter);
        let marker = input.key_marker.clone().filter(|key| !key.is_empty());
        let query = UploadQuery {
            prefix: input.prefix.clone().unwrap_or_default(),
            after: marker.map(|key| (key, input.upload_id_marker.clone())),
            limit: page_limit(input.max_uploads)?,
        };
        let store = self.store();
        let page = store.list_uploads(&input.bucket, &query)?;
        let last = page.uploads.last().filter(|_| page.truncated);
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket.clone()),
            prefix: input.prefix.clone(),
            key_marker: input.key_marker.clone(),
            upload_id_marker: input.upload_id_marker.clone(),
            max_uploads: Some(query.limit as i32),
            is_truncated: Some(page.truncated),
            next_key_marker: last.map(|(key, _, _)| (*key).to_owned()),
            next_upload_id_marker: last.map(|(_, id, _)| (*id).to_owned()),
            uploads: Some(page.uploads.iter().map(listed_upload).collect()),
            ..ListMultipartUploadsOutput::default()
        })
    }

    pub(super) fn list_parts(&self, input: &ListPartsInput) -> S3Result<ListPartsOutput> {
        let upload = upload_ref(&input.bucket, &input.key, &input.upload_id);
        let limit = page_limit(input.max_parts)?;
        let store = self.store();
        let algorithm = store.upload(upload)?.algorithm;
        let after = input.part_number_marker.unwrap_or(0);
        let page = store.list_parts(upload, after, limit)?;
        let last = page.parts.last().filter(|_| page.truncated);
        Ok(ListPartsOutput {
            next_part_number_marker: last.map(|(number, _)| *number),
            part_number_marker: input.part_number_marker,
            max_parts: Some(limit as i32),
            is_truncated: Some(page.truncated),
            parts: Some(page.parts.iter().map(listed_part).collect()),
            checksum_algorithm: algorithm.map(named),
            storage_class: Some(standard()),
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(input.upload_id.clone()),
            ..ListPartsOutput::default()
        })
    }
}

fn upload_ref<'a>(bucket: &'a str, key: &'a str, upload_id: &'a str) -> UploadRef<'a> {
    UploadRef {
        bucket,
        key,
        upload_id,
    }
}

/// What nobody reads any more. nginx uses the status for it, and MinIO both.
fn disconnected() -> S3Error {
    let code = S3ErrorCode::Custom(DISCONNECTED.into());
    let mut error = S3Error::with_message(code, "the client went away, and the upload is lost");
    error.set_status_code(StatusCode::from_u16(499).expect("499 has three digits"));
    error
}

fn claim(part: &CompletedPart) -> S3Result<PartClaim> {
    let checksum = checksum_of!(part)?;
    match (part.part_number, &part.e_tag) {
        (Some(number), Some(etag)) => Ok(PartClaim {
            number,
            etag: etag.value().to_owned(),
            checksum,
        }),
        _ => Err(s3_error!(
            MalformedXML,
            "each part needs its PartNumber and its ETag"
        )),
    }
}

/// Checksums of whole multipart objects are not implemented, only those made of the parts'.
fn check_composite(checksum_type: Option<&ChecksumType>) -> S3Result<()> {
    match checksum_type.map(ChecksumType::as_str) {
        None | Some(ChecksumType::COMPOSITE) => Ok(()),
        Some(other) => Err(s3_error!(
            NotImplemented,
            "the checksum type {other} is not implemented"
        )),
    }
}

fn listed_upload((key, id, upload): &(&str, &str, &Upload)) -> MultipartUpload {
    MultipartUpload {
        key: Some((*key).to_owned()),
        upload_id: Some((*id).to_owned()),
        initiated: Some(timestamp(upload.initiated)),
        checksum_algorithm: upload.algorithm.map(named),
        storage_class: Some(standard()),
        ..MultipartUpload::default()
    }
}

fn listed_part((number, part): &(i32, &state::Part)) -> Part {
    let mut listed = Part {
        part_number: Some(*number),
        e_tag: Some(etag(&part.etag())),
        size: Some(part.content.payload.length() as i64),
        last_modified: Some(timestamp(part.modified)),
        ..Part::default()
    };
    set_checksum!(listed, part.content.checksum.as_ref());
    listed
}

fn named(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from_static(algorithm.name())
}

fn composite() -> ChecksumType {
    ChecksumType::from_static(ChecksumType::COMPOSITE)
}

fn standard() -> StorageClass {
    StorageClass::from_static(StorageClass::STANDARD)
}
