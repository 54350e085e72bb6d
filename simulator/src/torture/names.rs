//! What names of files, staged objects and receipts say: whose they are. Read strictly, as the
//! connector must.

/// Who wrote something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    /// Where its shard's key range begins.
    pub(super) key_begin: u32,
    /// The session.
    pub(super) writer: String,
}

/// The owner of a file, a staged object or a receipt; none of anything that has another name.
pub(super) fn owner(key: &str) -> Option<Owner> {
    let name = key.rsplit('/').next()?;
    if let Some(receipt) = name.strip_suffix(".receipt") {
        let (key_begin, writer) = receipt.split_once('-')?;
        return read(key_begin, writer);
    }
    let file = name.strip_suffix(".staged").unwrap_or(name);
    let parts: Vec<&str> = file.strip_suffix(".parquet")?.split('-').collect();
    let [key_begin, counter, writer, token] = parts[..] else {
        return None;
    };
    let is_counter = counter.len() == 12 && counter.bytes().all(|byte| byte.is_ascii_digit());
    (is_counter && is_hexadecimal(token, 16))
        .then(|| read(key_begin, writer))
        .flatten()
}

fn read(key_begin: &str, writer: &str) -> Option<Owner> {
    (is_hexadecimal(key_begin, 8) && is_hexadecimal(writer, 8)).then(|| Owner {
        key_begin: u32::from_str_radix(key_begin, 16).unwrap_or_default(),
        writer: writer.to_owned(),
    })
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_staged_objects_and_receipts_tell_their_owner() {
        let file = "80000000-000000000007-00c0ffee-0123456789abcdef.parquet";
        let names = [
            format!("x/y/v0000000000/2026/{file}"),
            format!("x/_staged/{file}.staged"),
            "_staged/80000000-00c0ffee.receipt".to_owned(),
        ];
        for name in names {
            let found = owner(&name).unwrap();
            assert_eq!((found.key_begin, &*found.writer), (0x8000_0000, "00c0ffee"));
        }
    }

    #[test]
    fn what_has_another_name_has_no_owner() {
        let names = [
            "x/80000000-000000000007-00c0ffee-0123456789abcdef.parquet.bak",
            "x/80000000-000000000007-00C0FFEE-0123456789abcdef.parquet",
            "x/80000000-7-00c0ffee-0123456789abcdef.parquet",
            "x/_staged/80000000-00c0ffee.receipt.bak",
            "x/_staged/80000000.receipt",
            "notes.txt",
        ];
        for name in names {
            assert_eq!(owner(name), None, "{name}");
        }
    }
}
