//! A line to a server that can go dead: a port of this machine behind which bytes go back and
//! forth, until suddenly none does, and neither side is told. Connections that stood then stay dead
//! when the line is mended, as if a router had forgotten them: what was sent is never answered.
//! Only who sends something new over one learns that it is gone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A line to a server.
pub(super) struct Line {
    endpoint: String,
    is_dead: watch::Sender<bool>,
    cut: Arc<AtomicUsize>,
}

impl Line {
    /// Lays a line to the server behind an endpoint URL.
    pub(super) async fn to(endpoint: &str) -> Self {
        let server = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (is_dead, state) = watch::channel(false);
        let cut = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, state, cut) = (server.clone(), state.clone(), Arc::clone(&counter));
                // Either side may go away at any time, here as anywhere.
                tokio::spawn(async move { carry(client, &server, state, &cut).await });
            }
        });
        Self {
            endpoint,
            is_dead,
            cut,
        }
    }

    /// The URL at this end.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Nothing comes through any more.
    pub(super) fn cut(&self) {
        self.is_dead.send_replace(true);
    }

    /// New connections come through again.
    pub(super) fn mend(&self) {
        self.is_dead.send_replace(false);
    }

    /// How many connections have gone dead.
    pub(super) fn connections_cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }
}

/// Carries a connection's bytes until one side closes it or the line goes dead.
async fn carry(
    mut client: TcpStream,
    server: &str,
    mut is_dead: watch::Receiver<bool>,
    cut: &AtomicUsize,
) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::select! {
        biased;
        _ = is_dead.wait_for(|is_dead| *is_dead) => {}
        ended = copy_bidirectional(&mut client, &mut server) => return ended.map(drop),
    }
    cut.fetch_add(1, Ordering::SeqCst);
    // The server waits for the rest meanwhile: its end of the connection stays open.
    let mut lost = vec![0; 64 << 10];
    loop {
        tokio::select! {
            biased;
            _ = is_dead.wait_for(|is_dead| !*is_dead) => break,
            read = client.read(&mut lost) => if read? == 0 { return Ok(()) },
        }
    }
    client.read_u8().await?;
    client.shutdown().await
}

#[tokio::test]
async fn a_dead_line_says_nothing_and_a_new_connection_comes_through_once_it_is_mended() {
    use std::time::Duration;
    use tokio::time::timeout;

    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = echo.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = echo.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    let line = Line::to(&format!("http://{address}")).await;
    let connect = || TcpStream::connect(line.endpoint().strip_prefix("http://").unwrap());
    let moment = Duration::from_millis(200);

    let (mut asks, mut rests) = (connect().await.unwrap(), connect().await.unwrap());
    for stream in [&mut asks, &mut rests] {
        stream.write_all(b"a").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
    }
    line.cut();
    asks.write_all(b"b").await.unwrap();
    timeout(moment, asks.read_u8()).await.unwrap_err();
    line.mend();
    timeout(moment, asks.read_u8()).await.unwrap_err();
    assert_eq!(line.connections_cut(), 2);

    rests.write_all(b"c").await.unwrap();
    rests.read_u8().await.unwrap_err();
    let mut new = connect().await.unwrap();
    new.write_all(b"d").await.unwrap();
    assert_eq!(new.read_u8().await.unwrap(), b'd');
}
