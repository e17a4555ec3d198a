//! What stands between a client and a server in tests, and how it behaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// It comes to the server, and the answer back.
    Through,
    /// It is answered so, and the server never hears of it.
    Status(u16),
    /// The connection breaks off before the server hears of it.
    Reset,
    /// The server does it, and the answer is lost.
    AnswerLost,
    /// The server does it, and the answer breaks off in the middle.
    AnswerTorn,
    /// Nothing ever comes back.
    Silence,
}

pub(super) struct Proxy {
    pub(super) port: u16,
    asked: Arc<AtomicU32>,
}

impl Proxy {
    /// Stands before a server; `fate` is asked with the head of each request and its number, from 0.
    pub(super) async fn before(
        server: u16,
        fate: impl Fn(&str, u32) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU32::new(0)));
        let (count, fate) = (asked.clone(), Arc::new(fate));
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let (count, fate) = (count.clone(), fate.clone());
                tokio::spawn(async move {
                    let mut caller = caller;
                    let (head, body) = request(&mut caller).await?;
                    let fate = fate(&head, count.fetch_add(1, Ordering::SeqCst));
                    answer(&mut caller, server, &head, &body, fate).await
                });
            }
        });
        Self { port, asked }
    }

    /// How many requests came.
    pub(super) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// One request: its head and its body.
async fn request(caller: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(caller.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    caller.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

async fn answer(
    caller: &mut TcpStream,
    server: u16,
    head: &str,
    body: &[u8],
    fate: Fate,
) -> Option<()> {
    match fate {
        Fate::Status(status) => {
            let told =
                format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            return caller.write_all(told.as_bytes()).await.ok();
        }
        Fate::Reset => return None,
        Fate::Silence => std::future::pending().await,
        Fate::Through | Fate::AnswerLost | Fate::AnswerTorn => {}
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    // One request a connection, so that the answer ends with it.
    let head = head.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
    upstream.write_all(head.as_bytes()).await.unwrap();
    upstream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    // However the server ends the connection, what it said is said.
    let ended = upstream.read_to_end(&mut answer).await;
    assert!(!answer.is_empty(), "no answer ({ended:?}) to {head}");
    // Nor may the caller send another along it.
    let end = answer.windows(2).position(|end| end == b"\r\n").unwrap();
    answer.splice(end..end, *b"\r\nconnection: close");
    match fate {
        Fate::AnswerLost => None,
        Fate::AnswerTorn => caller.write_all(&answer[..answer.len() / 2]).await.ok(),
        _ => caller.write_all(&answer).await.ok(),
    }
}
