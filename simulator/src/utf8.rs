//! Text that people have saved: it must be UTF-8, and where it is not the error says how to save
//! it.

use std::io;
use std::path::Path;

/// The byte order mark of UTF-8.
const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The byte order marks of UTF-16.
const UTF16_MARKS: [&[u8]; 2] = [b"\xFF\xFE", b"\xFE\xFF"];

/// The text of a line. The error says what is wrong with its bytes, as the end of a sentence that
/// begins with the line.
pub fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.starts_with(UTF8_MARK) {
        return Err("begins with a byte order mark; save the file as UTF-8 without one".to_owned());
    }
    if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err("is UTF-16; save the file as UTF-8".to_owned());
    }
    str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        format!(
            "is not UTF-8: its byte {} is 0x{byte:02X}; save the file as UTF-8",
            at + 1
        )
    })
}

/// Reads a file of text. The error names the line that is no text.
pub fn read(path: &Path) -> io::Result<String> {
    decode(std::fs::read(path)?)
}

/// As [`read`], of a file that may begin with a byte order mark, as YAML may.
pub fn read_marked(path: &Path) -> io::Result<String> {
    let mut bytes = std::fs::read(path)?;
    if bytes.starts_with(UTF8_MARK) {
        bytes.drain(..UTF8_MARK.len());
    }
    decode(bytes)
}

fn decode(bytes: Vec<u8>) -> io::Result<String> {
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        text(line).map_err(|message| {
            let message = format!("line {number} {message}");
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_with_the_cure() {
        let table: [(&[u8], &str); 4] = [
            (b"\xEF\xBB\xBF[\"c\", {}]", "begins with a byte order mark"),
            (b"\xFF\xFE[\0", "is UTF-16"),
            (b"\xFE\xFF\0[", "is UTF-16"),
            (b"[\"c\", \"caf\xE9\"]", "is not UTF-8: its byte 11 is 0xE9"),
        ];
        for (line, says) in table {
            let error = text(line).expect_err("must be refused");
            assert!(
                error.starts_with(says) && error.contains("save the file"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_is_read_whole_or_its_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, "é\nb").unwrap();
        assert_eq!(read(&path).unwrap(), "é\nb");
        std::fs::write(&path, b"\xEF\xBB\xBFa").unwrap();
        assert_eq!(read_marked(&path).unwrap(), "a");
        assert!(read(&path).is_err());
        std::fs::write(&path, b"a\n\xE9").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.starts_with("line 2 is not UTF-8"), "{error}");
    }
}
