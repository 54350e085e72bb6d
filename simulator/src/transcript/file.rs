//! Recordings as files, and folders of them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use materialize_s3_parquet::protocol::materialize::{Request, Response};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::error::{Error, Result};
use super::form::{End, Entry, Head, Transcript, VERSION};
use crate::utf8;

/// The ending of a recording's name.
const EXTENSION: &str = "jsonl";

/// What any line may hold.
#[derive(Deserialize)]
struct Line {
    comment: Option<String>,
    recording: Option<Head>,
    dir: Option<String>,
    msg: Option<Box<RawValue>>,
    #[serde(default)]
    end: bool,
    status: Option<String>,
    message: Option<String>,
}

/// The recordings at `path`: itself, or the `.jsonl` files of a folder, by name.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |source| file_error(path, source);
    if !fs::metadata(path).map_err(wrong)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == EXTENSION)
        {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Empty(path.display().to_string()));
    }
    Ok(files)
}

/// Reads the transcripts of a file.
pub fn read(path: &Path) -> Result<Vec<Transcript>> {
    let text = utf8::read(path).map_err(|source| file_error(path, source))?;
    read_text(&text, &path.display().to_string())
}

/// Reads the transcripts in a text. `name` is for errors.
pub fn read_text(text: &str, name: &str) -> Result<Vec<Transcript>> {
    let mut transcripts = vec![Transcript::default()];
    let numbered = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty());
    for (line, number) in numbered {
        add(&mut transcripts, line, number).map_err(|what| Error::Line {
            path: name.to_owned(),
            line: number,
            what,
        })?;
    }
    transcripts.retain(|transcript| !transcript.entries.is_empty());
    if transcripts.is_empty() {
        return Err(Error::Empty(name.to_owned()));
    }
    Ok(transcripts)
}

/// The transcripts as a file's text.
pub fn write(transcripts: &[Transcript]) -> serde_json::Result<String> {
    let mut text = String::new();
    for transcript in transcripts {
        let comments = transcript
            .comments
            .iter()
            .map(|comment| json!({ "comment": comment }).to_string());
        let head = transcript
            .head
            .iter()
            .map(|head| json!({ "recording": head }).to_string());
        for line in comments.chain(head) {
            text.push_str(&line);
            text.push('\n');
        }
        for (_, entry) in &transcript.entries {
            text.push_str(&line(entry)?);
            text.push('\n');
        }
    }
    Ok(text)
}

/// Opens a file for a transcript, at its end where it has some already. In a folder, or where the
/// name ends with a slash, it is a new file with the next number. Returns its path as well.
pub fn create(path: &Path) -> Result<(PathBuf, File)> {
    if is_folder(path) {
        return next_in(path);
    }
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map(|file| (path.to_owned(), file))
        .map_err(|source| file_error(path, source))
}

/// Makes the next file of a folder, which is made if it is not there: `000.jsonl`, `001.jsonl`, …
pub fn next_in(folder: &Path) -> Result<(PathBuf, File)> {
    fs::create_dir_all(folder).map_err(|source| file_error(folder, source))?;
    for number in 0.. {
        let path = folder.join(format!("{number:03}.{EXTENSION}"));
        // Several connectors may begin at the same moment.
        match OpenOptions::new().create_new(true).append(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(file_error(&path, source)),
        }
    }
    Err(file_error(folder, io::Error::other("it is full")))
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/')
}

/// Adds a line to the last transcript, or begins a new one with it.
fn add(transcripts: &mut Vec<Transcript>, text: &str, number: usize) -> Result<(), String> {
    let line: Line = serde_json::from_str(text)
        .map_err(|error| format!("{error}; write {{\"dir\": \">\", \"msg\": {{…}}}}"))?;
    if let Some(comment) = line.comment {
        begin_after_end(transcripts).comments.push(comment);
        return Ok(());
    }
    if let Some(head) = line.recording {
        if head.version != VERSION {
            return Err(format!(
                "it is of version {}, and this program knows version {VERSION}: use the program \
                 that recorded it, or a newer one",
                head.version
            ));
        }
        begin(transcripts, |transcript| {
            transcript.entries.is_empty() && transcript.head.is_none()
        })
        .head = Some(head);
        return Ok(());
    }
    let entry = entry(line)?;
    begin_after_end(transcripts).entries.push((number, entry));
    Ok(())
}

fn entry(line: Line) -> Result<Entry, String> {
    match (line.dir.as_deref(), line.msg, line.status) {
        (Some(">"), Some(message), _) => request(&message),
        (Some("<"), Some(message), _) => response(&message),
        (Some(">"), None, _) if line.end => Ok(Entry::InputClosed),
        (Some("!"), None, Some(status)) => Ok(Entry::Ended(End {
            status,
            message: line.message,
        })),
        _ => Err(
            "it is neither {\"dir\": \">\" or \"<\", \"msg\": {…}}, nor {\"dir\": \">\", \"end\": \
             true}, nor {\"dir\": \"!\", \"status\": \"…\"}"
                .to_owned(),
        ),
    }
}

fn request(message: &RawValue) -> Result<Entry, String> {
    let request: Request = parse(message, "request")?;
    if request == Request::default() {
        return Err(nothing("request"));
    }
    Ok(Entry::Request(Box::new(request)))
}

fn response(message: &RawValue) -> Result<Entry, String> {
    let response: Response = parse(message, "response")?;
    if response == Response::default() {
        return Err(nothing("response"));
    }
    Ok(Entry::Response(Box::new(response)))
}

fn parse<'de, M: Deserialize<'de>>(message: &'de RawValue, kind: &str) -> Result<M, String> {
    serde_json::from_str(message.get())
        .map_err(|error| format!("`msg` is no {kind} of the protocol: {error}"))
}

fn nothing(kind: &str) -> String {
    format!(
        "`msg` holds no {kind} that is known; `>` is from the runtime to the connector, `<` the \
         way back"
    )
}

/// The last transcript, unless its process has ended.
fn begin_after_end(transcripts: &mut Vec<Transcript>) -> &mut Transcript {
    begin(transcripts, |transcript| transcript.end().is_none())
}

fn begin(
    transcripts: &mut Vec<Transcript>,
    goes_on: impl Fn(&Transcript) -> bool,
) -> &mut Transcript {
    if !transcripts.last().is_some_and(goes_on) {
        transcripts.push(Transcript::default());
    }
    let last = transcripts.len() - 1;
    &mut transcripts[last]
}

fn line(entry: &Entry) -> serde_json::Result<String> {
    Ok(match entry {
        Entry::Request(request) => format!(r#"{{"dir":">","msg":{}}}"#, one_line(request)?),
        Entry::Response(response) => format!(r#"{{"dir":"<","msg":{}}}"#, one_line(response)?),
        Entry::InputClosed => json!({"dir": ">", "end": true}).to_string(),
        Entry::Ended(End {
            status,
            message: None,
        }) => json!({"dir": "!", "status": status}).to_string(),
        Entry::Ended(End { status, message }) => {
            json!({"dir": "!", "status": status, "message": message}).to_string()
        }
    })
}

/// JSON that a message embeds may have line breaks; they can only be white space.
fn one_line(message: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string(message)?.replace('\n', " "))
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        source,
    }
}
