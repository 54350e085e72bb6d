//! The operations of S3 on top of the store: reads what `s3s` has parsed, asks the store, and
//! shapes the answer.

mod access;
mod body;
mod buckets;
mod convert;
mod copy;
mod multipart;
mod objects;

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput,
    CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketInput,
    DeleteBucketOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input, ListObjectsV2Output,
    ListPartsInput, ListPartsOutput, PutObjectInput, PutObjectOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result};

use self::access::{KeyPair, SignedForRegion};
use super::server::{Clock, Options};
use super::state::Store;

/// The operations, and what they work on.
pub(super) struct Service {
    store: Arc<Mutex<Store>>,
    clock: Clock,
    region: Option<String>,
    discard: bool,
    keys: KeyPair,
}

impl Service {
    pub(super) fn new(store: Arc<Mutex<Store>>, options: &Options) -> Self {
        Self {
            store,
            clock: Arc::clone(&options.clock),
            region: options.region.clone(),
            discard: options.discard,
            keys: KeyPair::new(&options.access_key_id, &options.secret_access_key),
        }
    }

    /// The service that speaks HTTP.
    pub(super) fn into_http(self) -> S3Service {
        let keys = self.keys.clone();
        let any_region = self.store().rules().any_region;
        let access = SignedForRegion(self.region.clone().filter(|_| !any_region));
        let mut builder = S3ServiceBuilder::new(self);
        builder.set_auth(keys);
        builder.set_access(access);
        builder.build()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock()
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// Forwards each operation to the method of the same name that takes the input alone.
macro_rules! forward {
    ($($operation:ident($input:ty) -> $output:ty;)*) => {
        #[async_trait::async_trait]
        impl S3 for Service {
            $(
                async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    Service::$operation(self, &request.input).map(S3Response::new)
                }
            )*

            async fn put_object(
                &self,
                request: S3Request<PutObjectInput>,
            ) -> S3Result<S3Response<PutObjectOutput>> {
                Service::put_object(self, request).await.map(S3Response::new)
            }

            async fn upload_part(
                &self,
                request: S3Request<UploadPartInput>,
            ) -> S3Result<S3Response<UploadPartOutput>> {
                Service::upload_part(self, request).await.map(S3Response::new)
            }

            async fn complete_multipart_upload(
                &self,
                request: S3Request<CompleteMultipartUploadInput>,
            ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
                Service::complete_multipart_upload(self, request).await.map(S3Response::new)
            }
        }
    };
}

forward! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput;
    create_bucket(CreateBucketInput) -> CreateBucketOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    get_object(GetObjectInput) -> GetObjectOutput;
    head_object(HeadObjectInput) -> HeadObjectOutput;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    copy_object(CopyObjectInput) -> CopyObjectOutput;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
    list_parts(ListPartsInput) -> ListPartsOutput;
}
