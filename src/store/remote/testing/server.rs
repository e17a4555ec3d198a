//! A server that says what a test wants, remembers what it was asked, and can stand before another.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request that came.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Request {
    pub(in crate::store) method: String,
    /// Path and query.
    pub(in crate::store) target: String,
    /// By their names in lower case.
    pub(in crate::store) headers: BTreeMap<String, String>,
    pub(in crate::store) body: Vec<u8>,
    head: String,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(in crate::store) enum Answer {
    /// A status, headers and a body.
    Say(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// So many bytes of what would be said; then the connection is gone.
    Cut(Box<Answer>, usize),
    /// The connection is gone.
    Reset,
    /// What the server behind says.
    Pass,
    /// It is handed on, and the answer is lost.
    Lose,
}

impl Answer {
    /// An error as S3 tells it.
    pub(in crate::store) fn error(status: u16, code: &str) -> Self {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
        Self::Say(status, Vec::new(), body.into_bytes())
    }

    /// An object.
    pub(in crate::store) fn object(etag: &str, body: &[u8]) -> Self {
        let modified = "Fri, 27 Nov 2026 03:00:00 GMT".to_owned();
        let headers = vec![("ETag", etag.to_owned()), ("Last-Modified", modified)];
        Self::Say(200, headers, body.to_vec())
    }
}

type Decide = dyn Fn(&Request, usize) -> Answer + Send + Sync;

struct Shared {
    seen: Mutex<Vec<Request>>,
    decide: Box<Decide>,
    behind: Option<String>,
}

/// A server on a port of loopback, for as long as the process lives.
pub(in crate::store) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// `decide` is told the request and how many came before it.
    pub(in crate::store) fn start(
        decide: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::before(None, None, decide)
    }

    /// Stands before the server at `behind`, such as `127.0.0.1:8333`; speaks TLS if told how.
    pub(in crate::store) fn before(
        behind: Option<String>,
        tls: Option<Arc<ServerConfig>>,
        decide: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { seen: Mutex::default(), decide: Box::new(decide), behind });
        let own = shared.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (shared, tls) = (own.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(connection, &shared),
                    Some(tls) => {
                        let tls = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(tls, connection), &shared);
                    }
                });
            }
        });
        Self { address, shared }
    }

    pub(in crate::store) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(in crate::store) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far.
    pub(in crate::store) fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }
}

fn serve(connection: impl Read + Write, shared: &Shared) {
    let mut connection = BufReader::new(connection);
    while let Some(request) = read(&mut connection) {
        let before = {
            let mut seen = shared.seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let (bytes, stays) = match (shared.decide)(&request, before) {
            Answer::Reset => return,
            Answer::Lose => {
                hand_on(&request, shared);
                return;
            }
            Answer::Pass => (hand_on(&request, shared), false),
            Answer::Cut(answer, at) => {
                let mut bytes = said(&answer, &request);
                let head = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
                bytes.truncate(head + at);
                (bytes, false)
            }
            answer @ Answer::Say(..) => (said(&answer, &request), true),
        };
        let connection = connection.get_mut();
        if connection.write_all(&bytes).and_then(|()| connection.flush()).is_err() || !stays {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut request = Request::default();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        request.head.push_str(&line);
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            request.headers.insert(name.to_lowercase(), value.to_owned());
        } else {
            let mut words = line.split(' ');
            request.method = words.next()?.to_owned();
            request.target = words.next()?.to_owned();
        }
    }
    let length = request.headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// The server behind says all it has to and closes.
fn hand_on(request: &Request, shared: &Shared) -> Vec<u8> {
    let mut there = TcpStream::connect(shared.behind.as_deref().unwrap()).unwrap();
    let head = request.head.trim_end();
    write!(there, "{head}\r\nConnection: close\r\n\r\n").unwrap();
    there.write_all(&request.body).unwrap();
    let mut answer = Vec::new();
    there.read_to_end(&mut answer).unwrap();
    answer
}

fn said(answer: &Answer, request: &Request) -> Vec<u8> {
    let Answer::Say(status, headers, body) = answer else { panic!("{answer:?}") };
    let mut bytes = Vec::new();
    write!(bytes, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len()).unwrap();
    for (name, value) in headers {
        write!(bytes, "{name}: {value}\r\n").unwrap();
    }
    bytes.extend_from_slice(b"\r\n");
    if request.method != "HEAD" {
        bytes.extend_from_slice(body);
    }
    bytes
}
