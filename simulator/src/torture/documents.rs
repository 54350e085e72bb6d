//! The documents of a run: an endless stream, each one found by its number, and each row
//! identifiable.

use serde_json::json;

use super::plan::{Binding, Plan, Transaction};
use crate::runtime::{KeyRange, Row, incarnation_seed};

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Its number in the stream. It stands in the row, so each row can be told from every other
    /// one.
    pub(super) number: u64,
    /// The binding it goes to.
    pub(super) binding: usize,
    /// Its key.
    pub(super) key: u32,
    /// Bytes that cannot be compressed.
    pub(super) payload: String,
}

impl Document {
    /// The document with a number.
    pub(super) fn nth(plan: &Plan, number: u64, payload_bytes: u32) -> Self {
        let mut random = fastrand::Rng::with_seed(incarnation_seed(plan.seed, number));
        Self {
            number,
            binding: random.usize(..plan.bindings.len()),
            key: random.u32(..plan.keys.max(1)),
            payload: incompressible(&mut random, payload_bytes as usize),
        }
    }

    /// Whether its key belongs to a shard. Flow hashes packed keys with `HighwayHash`; any stable
    /// hash will do here, because the connector does not care how keys are spread.
    pub(super) fn is_in(&self, range: KeyRange) -> bool {
        let hash = (incarnation_seed(u64::from(self.key), 0) >> 32) as u32;
        range.contains(hash)
    }

    /// The row of a task's generation that carries it. Values stand in the order of
    /// [`super::spec::VALUES`].
    pub(super) fn row(&self, index: usize, binding: &Binding, generation: u32) -> Row {
        let document = json!({"id": self.key, "generation": generation, "payload": self.payload, "row": self.number});
        let text = document.to_string();
        Row {
            binding: index as u32,
            key: vec![json!(self.key)],
            values: vec![json!(generation), json!(self.payload), json!(self.number)],
            document_bytes: text.len() as u64,
            document: binding.document.then_some(text),
            ..Row::default()
        }
    }
}

/// Text of 64 letters at random: no codec makes much of it.
fn incompressible(random: &mut fastrand::Rng, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    let letters = bytes.iter().map(|byte| LETTERS[usize::from(byte & 63)]);
    letters.map(char::from).collect()
}

/// The documents of a transaction that begins at a position of the stream, sorted as the runtime
/// sends them: by key, and those of one key in their order. They are to be grouped by binding.
pub(super) fn of_transaction(
    plan: &Plan,
    position: u64,
    transaction: Transaction,
) -> Vec<Document> {
    let numbers = position..position + u64::from(transaction.documents);
    let mut documents: Vec<Document> = numbers
        .map(|number| Document::nth(plan, number, transaction.payload_bytes))
        .collect();
    documents.sort_by_key(|document| document.key);
    documents
}

#[cfg(test)]
mod tests {
    use super::super::generate;
    use super::*;

    #[test]
    fn a_document_is_the_same_whenever_it_is_read() {
        let plan = generate(3);
        let all = of_transaction(
            &plan,
            0,
            Transaction {
                documents: 20,
                payload_bytes: 9,
            },
        );
        let some = of_transaction(
            &plan,
            5,
            Transaction {
                documents: 3,
                payload_bytes: 9,
            },
        );
        assert!(some.iter().all(|document| all.contains(document)));
        assert!(all.is_sorted_by_key(|document| document.key));
    }

    #[test]
    fn every_document_is_in_one_half_of_a_split() {
        let plan = generate(3);
        let halves = [(0, u32::MAX / 2), (u32::MAX / 2 + 1, u32::MAX)]
            .map(|(begin, end)| KeyRange { begin, end });
        for document in of_transaction(
            &plan,
            0,
            Transaction {
                documents: 50,
                payload_bytes: 0,
            },
        ) {
            assert_ne!(document.is_in(halves[0]), document.is_in(halves[1]));
        }
    }
}
