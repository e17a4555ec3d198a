//! Requests as they go out: each waits its turn, and none waits for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService, ReqwestConnector,
};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::store::limits::{Gate, Lane};
use crate::store::refusal;

/// How long nothing may come. `object_store` would end a whole request after 30 seconds, and with
/// it every download that is larger than the line is wide.
const SILENCE: Duration = Duration::from_mins(1);

/// The slowest line that an upload is waited for, in bytes a second.
const SLOWEST: u64 = 64 * 1024;

/// Counts how often a request went out; handed along with a write.
#[derive(Debug, Clone, Default)]
pub(super) struct Tries(Arc<AtomicU32>);

impl Tries {
    /// Whether it went out again, so that an earlier one may have been done without our knowing.
    pub(super) fn repeated(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }
}

/// Makes clients whose requests pass the gate.
#[derive(Debug)]
pub(super) struct Connector(pub(super) Arc<Gate>);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Wire { inner, gate: self.0.clone() }))
    }
}

#[derive(Debug)]
struct Wire {
    inner: HttpClient,
    gate: Arc<Gate>,
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // GCS has the slashes and dots of a key encoded.
        let path = percent_encoding::percent_decode_str(request.uri().path());
        let lane = Lane::of(&path.decode_utf8_lossy());
        let to_metadata = refusal::is_metadata(&request.uri().to_string());
        let size = request.body().content_length() as u64;
        let _turn = self.gate.ask(lane).await;
        self.gate.pass(size, lane).await;
        if let Some(Tries(tries)) = request.extensions().get() {
            tries.fetch_add(1, Ordering::SeqCst);
        }
        let patience = SILENCE + Duration::from_secs(size / SLOWEST);
        let answer = tokio::time::timeout(patience, self.inner.execute(request)).await;
        let answer = answer.unwrap_or_else(|_elapsed| Err(silent(patience)));
        let (head, body) = answer.map_err(|e| once(e, to_metadata))?.into_parts();
        let body = Paced::new(body, self.gate.clone(), lane);
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

/// What another try cannot change is not tried again.
fn once(error: HttpError, to_metadata: bool) -> HttpError {
    let unreachable = matches!(error.kind(), HttpErrorKind::Connect | HttpErrorKind::Timeout);
    if refusal::is_untrusted(&refusal::chain(&error)) || (to_metadata && unreachable) {
        return HttpError::new(HttpErrorKind::Unknown, error);
    }
    error
}

#[derive(Debug, thiserror::Error)]
#[error("nothing came for {0:?}")]
struct Silent(Duration);

fn silent(patience: Duration) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, Silent(patience))
}

/// A body whose bytes come at the pace of the gate, and which may not fall silent.
struct Paced {
    inner: HttpResponseBody,
    gate: Arc<Gate>,
    lane: Lane,
    due: Option<Pin<Box<Sleep>>>,
    silence: Pin<Box<Sleep>>,
}

impl Paced {
    fn new(inner: HttpResponseBody, gate: Arc<Gate>, lane: Lane) -> Self {
        let silence = Box::pin(sleep_until(Instant::now() + SILENCE));
        Self { inner, gate, lane, due: None, silence }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        if let Some(due) = &mut this.due {
            ready!(due.as_mut().poll(cx));
            this.due = None;
            this.silence.as_mut().reset(Instant::now() + SILENCE);
        }
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
            ready!(this.silence.as_mut().poll(cx));
            return Poll::Ready(Some(Err(silent(SILENCE))));
        };
        this.silence.as_mut().reset(Instant::now() + SILENCE);
        if let Some(Ok(frame)) = &frame {
            let size = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
            this.due = this.gate.due(size, this.lane).map(|due| Box::pin(sleep_until(due)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
