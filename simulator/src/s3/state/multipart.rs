//! Multipart uploads: parts that nobody can see until one completion makes them an object.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use s3s::crypto::{Checksum as _, Md5};

use super::object::hex;
use super::{Algorithm, Attributes, Bucket, Checksum, Content, Object, Payload, Store, StoreError};
use crate::s3::chance;
use crate::s3::manners::{Recompletion, Rules, UnknownCompletion};

/// Names one upload. S3 wants all three to be right.
#[derive(Clone, Copy, Debug)]
pub struct UploadRef<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key of the object to be.
    pub key: &'a str,
    /// The id that its creation returned.
    pub upload_id: &'a str,
}

/// A pending upload.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What the object will carry.
    pub attributes: Attributes,
    /// The checksum algorithm it was created with; its parts must then follow it.
    pub algorithm: Option<Algorithm>,
    /// When it was created.
    pub initiated: Timestamp,
    /// The parts so far, by number; one that is uploaded again replaces the one before.
    pub parts: BTreeMap<i32, Part>,
}

/// An uploaded part.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its bytes and digests.
    pub content: Content,
    /// When it was uploaded.
    pub modified: Timestamp,
}

impl Part {
    /// Its `ETag`, without quotes.
    pub fn etag(&self) -> String {
        hex(&self.content.md5)
    }
}

/// What a completion says of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartClaim {
    /// Its number, 1 to 10,000.
    pub number: i32,
    /// The `ETag` that `UploadPart` returned, without quotes.
    pub etag: String,
    /// The checksum it was uploaded with.
    pub checksum: Option<Checksum>,
}

/// The answer to a completion.
#[derive(Clone, Debug)]
pub struct Completed {
    /// The object's `ETag`: the MD5 of its parts' MD5s, `-`, and their number; without quotes.
    pub etag: String,
    /// The object's composite checksum, if every part has one of the same algorithm.
    pub checksum: Option<Checksum>,
    /// The id of the object's version, where the bucket keeps versions.
    pub version: Option<String>,
    claims: Vec<PartClaim>,
}

impl Store {
    /// Begins an upload and returns its id.
    pub fn create_upload(
        &mut self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
        algorithm: Option<Algorithm>,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        self.bucket(bucket)?;
        let upload_id = self.upload_ids.make();
        let upload = Upload {
            attributes: self.kept(attributes),
            algorithm,
            initiated: now,
            parts: BTreeMap::new(),
        };
        let uploads = &mut self.bucket_mut(bucket)?.uploads;
        uploads.insert((key.to_owned(), upload_id.clone()), upload);
        Ok(upload_id)
    }

    /// Adds a part to an upload, or replaces it, and returns it.
    pub fn put_part(
        &mut self,
        upload: UploadRef<'_>,
        number: i32,
        content: Content,
        now: Timestamp,
    ) -> Result<&Part, StoreError> {
        let verifies = self.rules.verifies_checksums;
        let pending = self.bucket_mut(upload.bucket)?.upload_mut(upload)?;
        check_part_number(number)?;
        if verifies {
            check_algorithm(number, pending.algorithm, content.checksum.as_ref())?;
        }
        let part = Part {
            content,
            modified: now,
        };
        let entry = pending.parts.entry(number).insert_entry(part);
        Ok(entry.into_mut())
    }

    /// Makes the object out of the claimed parts. With `must_be_new` an existing key is `Exists`,
    /// and the upload stays.
    pub fn complete_upload(
        &mut self,
        upload: UploadRef<'_>,
        claims: &[PartClaim],
        must_be_new: bool,
        now: Timestamp,
    ) -> Result<Completed, StoreError> {
        let bucket = self.bucket(upload.bucket)?;
        if let Some(completed) = bucket.recompletion(upload, claims, self.rules.recompletion) {
            return Ok(completed);
        }
        self.check_completion(upload, claims, must_be_new)?;
        Ok(self
            .bucket_mut(upload.bucket)?
            .assemble(upload, claims, now))
    }

    /// Loses an upload in mid-completion: its parts are no more, the object was not made, and a
    /// later completion finds them missing. Refused like a completion: what could not be
    /// completed cannot be lost by it.
    pub fn lose_upload(
        &mut self,
        upload: UploadRef<'_>,
        claims: &[PartClaim],
        must_be_new: bool,
    ) -> Result<(), StoreError> {
        self.check_completion(upload, claims, must_be_new)?;
        let bucket = self.bucket_mut(upload.bucket)?;
        bucket.upload_mut(upload)?.parts.clear();
        bucket.lost.insert(identity(upload));
        Ok(())
    }

    /// Every upload that the bucket's server has [lost](Self::lose_upload), as key and upload id.
    pub fn lost_uploads(&self, bucket: &str) -> Result<&BTreeSet<(String, String)>, StoreError> {
        self.bucket(bucket).map(|bucket| &bucket.lost)
    }

    /// Whether the rules lose this attempt to complete an upload once its client is gone. The same
    /// in every run.
    pub(in crate::s3) fn loses(&self, upload: UploadRef<'_>, attempt: u32) -> bool {
        let name = format!(
            "{} lost {} {} {attempt}",
            self.seed, upload.bucket, upload.key
        );
        chance::strikes(&name, self.rules.completing.lost_per_mille)
    }

    fn check_completion(
        &self,
        upload: UploadRef<'_>,
        claims: &[PartClaim],
        must_be_new: bool,
    ) -> Result<(), StoreError> {
        let bucket = self.bucket(upload.bucket)?;
        let missing = || match self.rules.unknown_completion {
            UnknownCompletion::NoSuchUpload => no_such_upload(upload),
            UnknownCompletion::InternalError => StoreError::AlreadyCompleting {
                upload_id: upload.upload_id.to_owned(),
            },
        };
        let pending = bucket.uploads.get(&identity(upload)).ok_or_else(missing)?;
        check_claims(claims, pending, self.rules.verifies_checksums)?;
        check_sizes(claims, pending, &self.rules)?;
        bucket.check_new(upload.key, must_be_new && self.rules.conditional_completion)
    }

    /// Ends an upload and forgets its parts.
    pub fn abort_upload(&mut self, upload: UploadRef<'_>) -> Result<(), StoreError> {
        let bucket = self.bucket_mut(upload.bucket)?;
        let removed = bucket.uploads.remove(&identity(upload));
        removed.map(drop).ok_or_else(|| no_such_upload(upload))
    }

    /// A pending upload.
    pub fn upload(&self, upload: UploadRef<'_>) -> Result<&Upload, StoreError> {
        let uploads = &self.bucket(upload.bucket)?.uploads;
        let missing = || no_such_upload(upload);
        uploads.get(&identity(upload)).ok_or_else(missing)
    }

    /// Every pending upload of a bucket as key, upload id and upload, sorted by key and age.
    pub fn uploads(
        &self,
        bucket: &str,
    ) -> Result<impl Iterator<Item = (&str, &str, &Upload)>, StoreError> {
        let uploads = &self.bucket(bucket)?.uploads;
        Ok(uploads
            .iter()
            .map(|((key, id), upload)| (key.as_str(), id.as_str(), upload)))
    }
}

impl Bucket {
    fn upload_mut(&mut self, upload: UploadRef<'_>) -> Result<&mut Upload, StoreError> {
        let missing = || no_such_upload(upload);
        self.uploads.get_mut(&identity(upload)).ok_or_else(missing)
    }

    fn recompletion(
        &self,
        upload: UploadRef<'_>,
        claims: &[PartClaim],
        rule: Recompletion,
    ) -> Option<Completed> {
        let completed = self.completed.get(&identity(upload))?;
        let is_visible = || {
            let object = self.objects.get(upload.key);
            object.is_some_and(|object| object.etag == completed.etag)
        };
        let is_accepted = match rule {
            Recompletion::NoSuchUpload => false,
            Recompletion::Accepted => true,
            Recompletion::WhileVisible => is_visible(),
        };
        (is_accepted && completed.claims == claims).then(|| completed.clone())
    }

    /// The claims were checked: what they name is there.
    fn assemble(
        &mut self,
        upload: UploadRef<'_>,
        claims: &[PartClaim],
        now: Timestamp,
    ) -> Completed {
        let pending = self
            .uploads
            .remove(&identity(upload))
            .expect("the caller found it");
        let parts = claims.iter().map(|claim| &pending.parts[&claim.number]);
        let mut payload = Payload::default();
        let mut digests = Md5::new();
        for part in parts.clone() {
            payload.append(&part.content.payload);
            digests.update(&part.content.md5);
        }
        let algorithm = parts
            .clone()
            .find_map(|part| Some(part.content.checksum.as_ref()?.algorithm));
        let checksums = parts.map(|part| part.content.checksum.as_ref());
        let completed = Completed {
            version: self.next_version(),
            etag: format!("{}-{}", hex(&digests.finalize()), claims.len()),
            checksum: algorithm.and_then(|algorithm| Checksum::composite(algorithm, checksums)),
            claims: claims.to_vec(),
        };
        let object = Object {
            payload,
            etag: completed.etag.clone(),
            attributes: pending.attributes,
            checksum: completed.checksum.clone(),
            modified: now,
            upload_id: Some(upload.upload_id.to_owned()),
            version: completed.version.clone(),
        };
        self.write(upload.key, object);
        self.completed.insert(identity(upload), completed.clone());
        completed
    }
}

pub(super) fn identity(upload: UploadRef<'_>) -> (String, String) {
    (upload.key.to_owned(), upload.upload_id.to_owned())
}

fn no_such_upload(upload: UploadRef<'_>) -> StoreError {
    StoreError::NoSuchUpload {
        key: upload.key.to_owned(),
        upload_id: upload.upload_id.to_owned(),
    }
}

fn check_part_number(number: i32) -> Result<(), StoreError> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    Err(StoreError::PartNumber { number })
}

fn check_algorithm(
    number: i32,
    declared: Option<Algorithm>,
    checksum: Option<&Checksum>,
) -> Result<(), StoreError> {
    match declared {
        Some(declared) if checksum.map(|checksum| checksum.algorithm) != Some(declared) => {
            Err(StoreError::ChecksumMissing { number, declared })
        }
        _ => Ok(()),
    }
}

/// Parts ascend, exist, and are what the client believes them to be.
fn check_claims(claims: &[PartClaim], pending: &Upload, verifies: bool) -> Result<(), StoreError> {
    if claims.is_empty() {
        return Err(StoreError::NoParts);
    }
    if let Some(pair) = claims
        .windows(2)
        .find(|pair| pair[0].number >= pair[1].number)
    {
        return Err(StoreError::InvalidPartOrder {
            number: pair[1].number,
        });
    }
    claims.iter().try_for_each(|claim| {
        check_part_number(claim.number)?;
        check_claim(claim, pending, verifies)
    })
}

fn check_claim(claim: &PartClaim, pending: &Upload, verifies: bool) -> Result<(), StoreError> {
    let number = claim.number;
    let invalid = StoreError::InvalidPart { number };
    let Some(part) = pending.parts.get(&number) else {
        return Err(invalid);
    };
    if part.etag() != claim.etag {
        return Err(invalid);
    }
    if !verifies {
        return Ok(());
    }
    check_algorithm(number, pending.algorithm, claim.checksum.as_ref())?;
    if claim.checksum.is_some() && claim.checksum != part.content.checksum {
        return Err(invalid);
    }
    Ok(())
}

fn check_sizes(claims: &[PartClaim], pending: &Upload, rules: &Rules) -> Result<(), StoreError> {
    let length = |claim: &PartClaim| pending.parts[&claim.number].content.payload.length();
    let Some((last, others)) = claims.split_last() else {
        return Ok(());
    };
    let minimum = rules.minimum_part_bytes;
    if let Some(small) = others.iter().find(|claim| length(claim) < minimum) {
        return Err(StoreError::EntityTooSmall {
            number: small.number,
            length: length(small),
            minimum,
        });
    }
    let Some(first) = others.first().filter(|_| rules.equal_parts) else {
        return Ok(());
    };
    let unequal = |claim: &&PartClaim| length(claim) != length(first);
    let odd = others.iter().find(unequal);
    match odd.or(Some(last).filter(|last| length(last) > length(first))) {
        Some(claim) => Err(StoreError::UnequalParts {
            number: claim.number,
        }),
        None => Ok(()),
    }
}
