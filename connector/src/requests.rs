//! Requests as they come in: a thread reads whole frames from the runtime's pipe and finds the
//! messages in them, the session takes these one by one.
//!
//! The thread and the session hand a few buffers back and forth, so that reading goes on while the
//! session works and nothing is allocated per message. A request borrows from the buffer that it
//! lies in, so it cannot outlive it.

use std::io::{ErrorKind as IoErrorKind, Read};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::request::Decoder;
use crate::protocol::{Codec, FrameIndex, Request};
use crate::stop::{Stop, StopSender, stop};

/// The bytes that are read at once, at most: small enough for a core's cache, and many times what a
/// pipe holds by default.
const READ_BYTES: usize = 256 << 10;
/// The buffers that wait for the session.
const BUFFERS: usize = 1;
/// The largest buffer that is used again, in bytes: one that a large document has needed is given
/// back.
const RECYCLED_BYTES: usize = 4 << 20;

/// What the session is told next.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request of the runtime.
    Request(Request<'a>),
    /// There are none any more.
    End(End),
}

/// Why there are no more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The runtime has closed the pipe.
    Closed,
    /// The process is asked to stop.
    Terminated,
}

/// Bytes of the stream. What lies beyond `filled` is room to read into, which is zeroed only once.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// At least `count` bytes of room.
    fn room(&mut self, count: usize) -> &mut [u8] {
        if self.bytes.len() < self.filled + count {
            self.bytes.resize(self.filled + count, 0);
        }
        &mut self.bytes[self.filled..]
    }

    fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }
}

/// Whole frames, one after the other, and where in them the messages are.
#[derive(Debug, Default)]
struct Frames {
    buffer: Buffer,
    index: FrameIndex,
}

impl Frames {
    fn memory_bytes(&self) -> usize {
        self.buffer.bytes.len() + self.index.memory_bytes()
    }
}

/// What comes out of the reading thread, and from whoever asks the process to stop.
#[derive(Debug)]
enum Input {
    Frames(Frames),
    /// The pipe is closed, in good order or not.
    End(Result<()>),
    Terminated,
}

/// Asks a session to stop. It does not keep the stream open: that is up to the thread that reads.
#[derive(Clone, Debug)]
pub struct Terminator {
    session: mpsc::WeakSender<Input>,
    stop: StopSender,
}

impl Terminator {
    /// Lets the session end as soon as it can do so in good order.
    pub async fn terminate(&self) {
        self.stop.request();
        if let Some(session) = self.session.upgrade() {
            // A session that has ended already needs no telling.
            let _ = session.send(Input::Terminated).await;
        }
    }
}

/// The requests of one stream.
#[derive(Debug)]
pub struct Requests {
    decoder: Decoder,
    inputs: mpsc::Receiver<Input>,
    empty: mpsc::Sender<Frames>,
    frames: Frames,
    /// The next of its messages.
    at: usize,
    /// How the stream ended, once it has.
    end: Option<Input>,
    waited: Duration,
    stop: Stop,
}

impl Requests {
    /// Begins to read `input` on a thread of its own.
    pub fn read(codec: Codec, input: impl Read + Send + 'static) -> (Self, Terminator) {
        let (sender, inputs) = mpsc::channel(BUFFERS);
        let (empty, mut recycled) = mpsc::channel(BUFFERS + 1);
        let (stop_sender, stop) = stop();
        let terminator = Terminator {
            session: sender.downgrade(),
            stop: stop_sender,
        };
        thread::spawn(move || {
            let end = read_frames(codec, input, &sender, &mut recycled);
            // A session that has ended needs no telling.
            let _ = sender.blocking_send(Input::End(end));
        });
        let requests = Self {
            decoder: Decoder::new(codec),
            inputs,
            empty,
            frames: Frames::default(),
            at: 0,
            end: None,
            waited: Duration::ZERO,
            stop,
        };
        (requests, terminator)
    }

    /// The next request, or how the stream ended.
    ///
    /// Errors where the stream ends within a message, cannot be read, or holds what is not a
    /// request.
    pub async fn next(&mut self) -> Result<Event<'_>> {
        match self.wait().await? {
            None => self.take().map(Event::Request),
            Some(end) => Ok(Event::End(end)),
        }
    }

    /// Waits until the next request [is here](Self::is_ready), or the stream has ended as is then
    /// said. Errors as [`Self::next`] does.
    pub async fn wait(&mut self) -> Result<Option<End>> {
        if self.is_ready() || self.receive().await {
            return Ok(None);
        }
        // However often it is asked, the end stays one.
        match self.end.replace(Input::End(Ok(()))) {
            Some(Input::End(Err(error))) => Err(error),
            Some(Input::Terminated) => Ok(Some(End::Terminated)),
            _ => Ok(Some(End::Closed)),
        }
    }

    /// Whether the next request is here already.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.at < self.frames.index.len()
    }

    /// The next request, which must be [here already](Self::is_ready). Errors where it is not a
    /// request.
    #[inline]
    pub fn take(&mut self) -> Result<Request<'_>> {
        let Frames { buffer, index } = &self.frames;
        let found = index
            .get(self.at, buffer.filled())
            .ok_or_else(|| Error::internal("a request was to be here"))?;
        self.at += 1;
        self.decoder.decode(found)
    }

    /// Waits until nothing more will come; for ever, where something does come first.
    pub async fn ended(&mut self) {
        if self.is_ready() || self.receive().await {
            std::future::pending::<()>().await;
        }
    }

    /// The request to stop, for those who wait for something else meanwhile.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// How long [`Requests::next`] has waited so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Waits for more frames; false once there are none any more.
    async fn receive(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        if self.frames.memory_bytes() > RECYCLED_BYTES {
            // Nobody is kept waiting with it: a large specification, or a large document.
            self.frames = Frames::default();
            self.at = 0;
        }
        let began = Instant::now();
        let input = self.inputs.recv().await;
        self.waited += began.elapsed();
        match input {
            Some(Input::Frames(frames)) => {
                let empty = std::mem::replace(&mut self.frames, frames);
                // The thread may have ended; then the buffer is of no use to anyone.
                let _ = self.empty.try_send(empty);
                self.at = 0;
                true
            }
            end => {
                self.end = Some(end.unwrap_or_else(|| Input::End(Err(died()))));
                false
            }
        }
    }
}

/// Reads until the end, and sends what is whole.
fn read_frames(
    codec: Codec,
    mut input: impl Read,
    sender: &mpsc::Sender<Input>,
    recycled: &mut mpsc::Receiver<Frames>,
) -> Result<()> {
    let mut frames = Frames::default();
    loop {
        let buffer = &mut frames.buffer;
        let before = buffer.filled;
        let ended = read_some(codec, &mut input, buffer)? == 0;
        let whole = match may_be_whole(codec, buffer.filled(), before)? {
            0 => 0,
            end => frames.index.read(codec, &buffer.filled()[..end])?,
        };
        if whole > 0 {
            let mut next = recycled.try_recv().unwrap_or_default();
            next.buffer.filled = 0;
            next.buffer.append(&buffer.filled()[whole..]);
            buffer.filled = whole;
            let whole = std::mem::replace(&mut frames, next);
            if sender.blocking_send(Input::Frames(whole)).is_err() {
                return Ok(());
            }
        }
        if ended {
            return match frames.buffer.filled {
                0 => Ok(()),
                bytes => Err(truncated(bytes)),
            };
        }
    }
}

/// Reads what the pipe has; 0 at its end.
fn read_some(codec: Codec, input: &mut impl Read, buffer: &mut Buffer) -> Result<usize> {
    let frame_bytes = codec.frame_bytes(buffer.filled()).unwrap_or_default();
    // A frame's length may be nonsense, so no more room is made for it than has been read of it
    // already.
    let room = READ_BYTES.max(frame_bytes.saturating_sub(buffer.filled).min(buffer.filled));
    let read = loop {
        match input.read(buffer.room(room)) {
            Err(error) if error.kind() == IoErrorKind::Interrupted => {}
            outcome => break outcome,
        }
    };
    let read = read.map_err(|error| {
        Error::new(
            ErrorKind::Unavailable,
            "the runtime's requests cannot be read",
        )
        .with_source(error)
    })?;
    buffer.filled += read;
    Ok(read)
}

/// The end of the whole frames of `buffer`, as far as it can be told at once. Nothing was whole
/// when it had `before` bytes, and a long line is not searched again from its start.
fn may_be_whole(codec: Codec, buffer: &[u8], before: usize) -> Result<usize> {
    if codec == Codec::Proto {
        return Ok(buffer.len());
    }
    match memchr::memrchr(b'\n', &buffer[before..]) {
        Some(newline) => Ok(before + newline + 1),
        None => codec.check_frame_bytes(buffer.len()).map(|()| 0),
    }
}

fn died() -> Error {
    Error::internal("the thread that reads the runtime's requests has died: please report this")
}

fn truncated(bytes: usize) -> Error {
    Error::protocol(format!(
        "the runtime closed its pipe in the middle of a message, after {bytes} bytes of it"
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::protocol::Tuple;
    use crate::protocol::materialize::{self, request};

    /// A pipe that gives its bytes in pieces of one size.
    struct Pieces(Cursor<Vec<u8>>, usize);

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let length = self.1.min(out.len());
            self.0.read(&mut out[..length])
        }
    }

    fn stream(codec: Codec, count: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for binding in 0..count {
            let doc_json = vec![b'1'; binding as usize * 1000].into();
            let store = request::Store {
                binding,
                doc_json,
                ..request::Store::default()
            };
            let message = materialize::Request {
                store: Some(store),
                ..Default::default()
            };
            codec.encode(&message, &mut bytes).unwrap();
        }
        bytes
    }

    async fn bindings(codec: Codec, bytes: Vec<u8>, piece: usize) -> Result<Vec<(u32, usize)>> {
        let (mut requests, _) = Requests::read(codec, Pieces(Cursor::new(bytes), piece));
        let mut bindings = Vec::new();
        loop {
            match requests.next().await? {
                Event::Request(Request::Store(store)) => {
                    bindings.push((store.binding, store.doc.map_or(0, <[u8]>::len)));
                }
                Event::End(End::Closed) => return Ok(bindings),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn messages_arrive_whole_whatever_pieces_the_pipe_gives() {
        for codec in [Codec::Proto, Codec::Json] {
            let expected: Vec<_> = (0..20)
                .map(|index| (index, index as usize * 1000))
                .collect();
            for piece in [1, 3, 1000, 1 << 20] {
                assert_eq!(
                    bindings(codec, stream(codec, 20), piece).await.unwrap(),
                    expected,
                    "{codec:?} {piece}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_within_a_message_is_an_error() {
        for codec in [Codec::Proto, Codec::Json] {
            let mut bytes = stream(codec, 3);
            bytes.pop();
            let error = bindings(codec, bytes, 100).await.unwrap_err();
            assert!(error.to_string().contains("middle of a message"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_was_good_comes_before_what_is_not() {
        for codec in [Codec::Proto, Codec::Json] {
            let mut bytes = stream(codec, 3);
            let malformed = match codec {
                // A frame of two bytes, with a field of 127.
                Codec::Proto => &b"\x02\x00\x00\x00\x22\x7f"[..],
                Codec::Json => b"{\"store\":{\"binding\":}}\n",
            };
            bytes.extend_from_slice(malformed);
            let length = bytes.len();
            let (mut requests, _) = Requests::read(codec, Pieces(Cursor::new(bytes), length));
            for binding in 0..3 {
                let event = requests.next().await.unwrap();
                let Event::Request(Request::Store(store)) = event else {
                    panic!("{event:?}");
                };
                assert_eq!(store.binding, binding);
            }
            let error = requests.next().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        }
    }

    #[tokio::test]
    async fn a_buffer_that_is_used_again_holds_nothing_of_what_it_held() {
        let long = (
            r#"{"store":{"binding":0,"key":["a",1,true,null],"valuesPacked":"Ajk5AA=="}}"#,
            r#"String("a") Integer(1) Boolean(true) Null / String("99")"#,
        );
        let short = (
            r#"{"store":{"binding":1,"key":["b"],"valuesPacked":"AjcA"}}"#,
            r#"String("b") / String("7")"#,
        );
        let stores = [long, short, short].repeat(10);
        // Each line is read alone, and so into another buffer than the one before it.
        let lines = stores
            .iter()
            .map(|(line, _)| format!("{line:<99}\n").into_bytes());
        let bytes = lines.flatten().collect();
        let (mut requests, _) = Requests::read(Codec::Json, Pieces(Cursor::new(bytes), 100));
        for (_, expected) in stores {
            let event = requests.next().await.unwrap();
            let Event::Request(Request::Store(store)) = event else {
                panic!("{event:?}");
            };
            let found = format!("{} / {}", elements(store.key), elements(store.values));
            assert_eq!(found, expected);
        }
    }

    fn elements(mut tuple: Tuple<'_>) -> String {
        let values = std::iter::from_fn(|| tuple.take().unwrap());
        let texts: Vec<_> = values.map(|value| format!("{value:?}")).collect();
        texts.join(" ")
    }

    /// It would have waited for ever, because who may ask it to stop could still do so.
    #[tokio::test]
    async fn a_thread_that_dies_ends_the_stream_with_an_error() {
        struct Dies;
        impl Read for Dies {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                panic!("as the test wants")
            }
        }
        let (mut requests, _terminator) = Requests::read(Codec::Proto, Dies);
        let ended = tokio::time::timeout(Duration::from_secs(10), requests.wait()).await;
        let error = ended.expect("it ends").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }

    #[tokio::test]
    async fn a_terminated_stream_says_so() {
        let (reader, writer) = std::io::pipe().unwrap();
        let (mut requests, terminator) = Requests::read(Codec::Proto, reader);
        terminator.terminate().await;
        assert_eq!(requests.wait().await.unwrap(), Some(End::Terminated));
        drop(writer);
    }
}
