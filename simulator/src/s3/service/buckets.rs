//! Operations on buckets, and the listing of what is in them.

use s3s::S3Result;
use s3s::dto::{
    Bucket, CommonPrefix, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass,
};

use super::Service;
use super::convert::{etag, page_limit, refuse_fields, timestamp};
use crate::s3::state::{self, ObjectQuery};

impl Service {
    pub(super) fn list_buckets(&self, input: &ListBucketsInput) -> S3Result<ListBucketsOutput> {
        refuse_fields!(input, continuation_token, max_buckets);
        let prefix = input.prefix.clone().unwrap_or_default();
        let store = self.store();
        let buckets = store
            .buckets()
            .filter(|(name, _)| name.starts_with(&prefix))
            .map(|(name, created)| Bucket {
                name: Some(name.to_owned()),
                creation_date: Some(timestamp(created)),
                bucket_region: self.region.clone(),
            });
        Ok(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            ..ListBucketsOutput::default()
        })
    }

    pub(super) fn create_bucket(&self, input: &CreateBucketInput) -> S3Result<CreateBucketOutput> {
        refuse_fields!(input, acl, object_lock_enabled_for_bucket, object_ownership);
        self.store().create_bucket(&input.bucket, self.now())?;
        Ok(CreateBucketOutput {
            location: Some(format!("/{}", input.bucket)),
        })
    }

    pub(super) fn head_bucket(&self, input: &HeadBucketInput) -> S3Result<HeadBucketOutput> {
        self.store().bucket_created(&input.bucket)?;
        Ok(HeadBucketOutput {
            bucket_region: self.region.clone(),
            ..HeadBucketOutput::default()
        })
    }

    pub(super) fn delete_bucket(&self, input: &DeleteBucketInput) -> S3Result<DeleteBucketOutput> {
        self.store().delete_bucket(&input.bucket)?;
        Ok(DeleteBucketOutput::default())
    }

    pub(super) fn list_objects_v2(
        &self,
        input: &ListObjectsV2Input,
    ) -> S3Result<ListObjectsV2Output> {
        refuse_fields!(input, optional_object_attributes);
        let query = ObjectQuery {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            // The token is the last entry of the page before.
            after: input
                .continuation_token
                .clone()
                .or(input.start_after.clone()),
            limit: page_limit(input.max_keys)?,
        };
        let store = self.store();
        let page = store.list_objects(&input.bucket, &query)?;
        let contents: Vec<Object> = page.objects.iter().map(listed).collect();
        let prefixes = page.common_prefixes.into_iter().map(|prefix| CommonPrefix {
            prefix: Some(prefix),
        });
        let common_prefixes: Vec<CommonPrefix> = prefixes.collect();
        Ok(ListObjectsV2Output {
            name: Some(input.bucket.clone()),
            prefix: input.prefix.clone(),
            delimiter: input.delimiter.clone(),
            max_keys: Some(query.limit as i32),
            key_count: Some((contents.len() + common_prefixes.len()) as i32),
            continuation_token: input.continuation_token.clone(),
            start_after: input.start_after.clone(),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            ..ListObjectsV2Output::default()
        })
    }
}

fn listed((key, object): &(&str, &state::Object)) -> Object {
    Object {
        key: Some((*key).to_owned()),
        size: Some(object.payload.length() as i64),
        e_tag: Some(etag(&object.etag)),
        last_modified: Some(timestamp(object.modified)),
        storage_class: Some(ObjectStorageClass::from_static(
            ObjectStorageClass::STANDARD,
        )),
        ..Object::default()
    }
}
