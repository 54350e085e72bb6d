//! Documents that no codec makes much smaller: for files of a size that is known beforehand.

use fastrand::Rng;
use serde_json::{Value, json};

/// How long a document's text is, in characters and bytes.
const LENGTH: usize = 10_000;

/// Documents `{"id": 0, "noise": "…"}` of 10,000 random characters each, with ids that count up.
/// The same seed gives the same ones.
pub fn noise(seed: u64, documents: usize) -> impl Iterator<Item = Value> {
    let mut rng = Rng::with_seed(seed);
    (0..documents).map(move |id| json!({"id": id, "noise": text(&mut rng)}))
}

fn text(rng: &mut Rng) -> String {
    (0..LENGTH).map(|_| rng.alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_noise_and_no_two_documents_are_alike() {
        let documents: Vec<_> = noise(1, 3).collect();
        assert_eq!(documents, noise(1, 3).collect::<Vec<_>>());
        assert_ne!(documents, noise(2, 3).collect::<Vec<_>>());
        assert_eq!(documents[2]["id"], 2);
        assert_ne!(documents[1]["noise"], documents[2]["noise"]);
        assert_eq!(documents[0]["noise"].as_str().map(str::len), Some(LENGTH));
    }
}
