//! What every request goes through before a route sees it, and every answer before it leaves.
//!
//! Owns the order of these steps: request id and log, panic, time limit, health, forwarded headers and cloud name, clock, page
//! or problem document. Must not know routes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use tower_http::timeout::TimeoutBody;
use tracing::Instrument as _;

use super::health::{Checks, healthz, readyz};
use super::host::{Front, PeerAddr};
use super::{pages, way};
use crate::code::Own;
use crate::problem::Problem;

/// Name of a request in answers and in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// Most of a body, unless a route says otherwise: bytes (api.md).
const BODY: usize = 1024 * 1024;
/// Longest time to the head of an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Longest pause within a request's body.
const BODY_PAUSE: Duration = Duration::from_secs(20);

/// The name of this request, for audit and log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// What a request has to pass at one of the two edges.
#[derive(Clone)]
struct Edge {
    checks: Checks,
    /// How the public comes. The operator comes under any name.
    front: Option<Arc<Front>>,
}

/// The application as the public meets it.
pub(super) fn public(app: Router, checks: Checks, front: Arc<Front>) -> Router {
    edged(app, Edge { checks, front: Some(front) })
}

/// The application as the operator meets it, with what the public side saw of proxies.
pub(super) fn operator(app: Router, checks: Checks, front: Arc<Front>) -> Router {
    let app = app.route(way::PLACE, get(way::proxies).with_state(front));
    edged(app, Edge { checks, front: None })
}

/// One layer for all steps: each layer around a router copies what it is around for every request, those below it too.
fn edged(app: Router, edge: Edge) -> Router {
    app.route("/healthz", get(healthz))
        .route("/readyz", get(readyz).with_state(edge.checks.clone()))
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::of(Own::Api005) })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(edge, identify))
}

/// Gives the request its id, and the log one line each.
async fn identify(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().simple().to_string();
    // The query is not logged: it may carry what is nobody's business.
    let (method, path) =
        (request.method().clone(), crate::setup::link::without_secret(request.uri().path()).to_owned());
    let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0.ip());
    let span = tracing::info_span!("request", id, %method, path, peer = peer.map(tracing::field::display));
    request.extensions_mut().insert(RequestId(id.clone()));
    let started = Instant::now();
    let mut response = edge.pass(request, next).instrument(span.clone()).await;
    let took = started.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(status, ms = took.as_millis(), "answered"));
    metrics::counter!("latchkey_http_requests_total", "method" => method_label(&method), "status" => status.to_string()).increment(1);
    metrics::histogram!("latchkey_http_request_seconds").record(took.as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().entry("x-content-type-options").or_insert(HeaderValue::from_static("nosniff"));
    response
}

impl Edge {
    /// The steps in their order. Health is asked under any name and any clock, and in its own words.
    async fn pass(&self, mut request: Request, next: Next) -> Response {
        let path = request.uri().path();
        if matches!(path, "/healthz" | "/readyz") {
            return bounded(request, next).await;
        }
        let page = wants_page(path, request.headers());
        let response = match self.admit(&mut request, page).await {
            Ok(()) => bounded(request, next).await,
            Err(refused) => refused,
        };
        present(page, response).await
    }

    /// Settles name and client of the request, or sends it away. Nothing is answered under a clock that cannot be right.
    async fn admit(&self, request: &mut Request, page: bool) -> Result<(), Response> {
        if let Some(front) = &self.front {
            let Some(PeerAddr(peer)) = request.extensions().get::<PeerAddr>().copied() else {
                return Err(Problem::internal("a public request without a peer").into_response());
            };
            match front.admit(request, peer) {
                Ok(Ok(())) => {}
                Ok(Err(wrong)) if page => return Err(pages::wrong_name(&wrong)),
                Ok(Err(wrong)) => return Err(wrong.problem().into_response()),
                Err(problem) => return Err(problem.into_response()),
            }
        }
        self.checks
            .gate()
            .await
            .map_err(|unready| Problem::of(latchkey_wire::Code::Cloud503).reason(unready.detail).into_response())
    }
}

/// An answer to everything, in bounded time.
async fn bounded(request: Request, next: Next) -> Response {
    let request = request.map(|body| Body::new(TimeoutBody::new(BODY_PAUSE, body)));
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(response)) => response,
        // The panic's own words are on stderr already, from the panic hook.
        Ok(Err(_)) => Problem::internal("a handler panicked").into_response(),
        Err(_) => Problem::of(latchkey_wire::Code::Cloud503).reason("the answer took too long").into_response(),
    }
}

/// Anybody may invent methods; a label for each would fill the memory.
fn method_label(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::POST => "POST",
        http::Method::PUT => "PUT",
        http::Method::PATCH => "PATCH",
        http::Method::DELETE => "DELETE",
        http::Method::HEAD => "HEAD",
        _ => "other",
    }
}

/// Every error leaves as a problem document, or as a page for a browser.
async fn present(page: bool, response: Response) -> Response {
    let response = own_words(response).await;
    match response.extensions().get::<Problem>() {
        Some(problem) if page => pages::problem(problem, response.headers()),
        _ => response,
    }
}

/// Errors that a library below wrote as plain text, as problems of ours.
async fn own_words(response: Response) -> Response {
    let status = response.status();
    let plain = response.headers().get(CONTENT_TYPE).is_none_or(|value| value.as_bytes().starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error())
        || !plain
        || response.extensions().get::<Problem>().is_some()
    {
        return response;
    }
    let code: crate::code::Code = match status {
        StatusCode::NOT_FOUND => Own::Api004.into(),
        StatusCode::METHOD_NOT_ALLOWED => Own::Api005.into(),
        StatusCode::PAYLOAD_TOO_LARGE => Own::Api006.into(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Own::Api002.into(),
        StatusCode::UNPROCESSABLE_ENTITY => latchkey_wire::Code::Api010.into(),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => latchkey_wire::Code::Cloud503.into(),
        status if status.is_client_error() => latchkey_wire::Code::Api001.into(),
        _ => Own::Api500.into(),
    };
    let mut problem = Problem::of(code);
    if status.is_client_error()
        && let Ok(text) = axum::body::to_bytes(response.into_body(), 2048).await
        && let Ok(text) = std::str::from_utf8(&text)
        && !text.is_empty()
    {
        problem = problem.detail(text);
    }
    problem.into_response()
}

/// Whether a person looks at the answer. Paths of programs never get a page, whatever their Accept says.
fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    let program = match (parts.next(), parts.nth(1)) {
        (Some("api" | ".well-known"), _) => true,
        (Some("o"), Some(concern)) => matches!(concern, "device" | "oauth2" | "scim"),
        _ => false,
    };
    !program
        && !headers.contains_key("latchkey-agent")
        && headers.get_all(ACCEPT).iter().any(|value| value.as_bytes().windows(9).any(|part| part == b"text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::PROBLEM_JSON;

    #[test]
    fn browsers_get_pages_and_programs_do_not() {
        let mut headers = HeaderMap::new();
        assert!(!wants_page("/", &headers));
        headers.insert(ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"));
        assert!(wants_page("/", &headers) && wants_page("/o/acme/saml/sso", &headers));
        for path in
            ["/api/v1/o/acme/users", "/.well-known/latchkey", "/o/acme/device/v1/nonces", "/o/acme/oauth2/token"]
        {
            assert!(!wants_page(path, &headers), "{path}");
        }
        headers.insert("latchkey-agent", HeaderValue::from_static("1"));
        assert!(!wants_page("/o/acme/saml/sso", &headers));
    }

    async fn answer(app: Router, path: &str) -> (StatusCode, serde_json::Value) {
        use tower::ServiceExt as _;
        let app = edged(app, Edge { checks: Checks::new(Vec::new()), front: None });
        let response = app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert!(response.headers().contains_key(REQUEST_ID));
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    struct Closed;

    #[async_trait::async_trait]
    impl super::super::health::Check for Closed {
        fn name(&self) -> &'static str {
            "closed"
        }

        fn gates(&self) -> bool {
            true
        }

        async fn check(&self) -> Result<(), super::super::health::Unready> {
            Err(super::super::health::Unready::new(Own::Serve010, "the reason"))
        }
    }

    #[tokio::test]
    async fn r25_while_a_gate_is_closed_only_health_is_answered() {
        use tower::ServiceExt as _;
        let app = Router::new().route("/", get(|| async { "granted" }));
        let app = edged(app, Edge { checks: Checks::new(vec![Arc::new(Closed)]), front: None });
        for (path, status, words) in [("/", 503, "LK-CLOUD-503"), ("/readyz", 503, "closed"), ("/healthz", 200, "true")]
        {
            let response = app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{path}");
            assert_eq!(response.headers().contains_key("retry-after"), status == 503);
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.contains(words) && !body.contains("the reason"), "{body}");
        }
    }

    #[tokio::test]
    async fn a_panic_a_missing_route_and_a_librarys_refusal_are_problem_documents() {
        let app = || {
            Router::new().route("/panic", get(|| async { panic!("secret words") as &'static str })).route(
                "/number/{n}",
                get(|axum::extract::Path(n): axum::extract::Path<u8>| async move { n.to_string() }),
            )
        };
        let (status, body) = answer(app(), "/panic").await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (500, Some("LK-API-500")));
        assert!(!body.to_string().contains("secret words"));
        assert_eq!(answer(app(), "/nowhere").await.1["code"], "LK-API-004");
        let (status, body) = answer(app(), "/number/x").await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (400, Some("LK-API-001")));
    }
}
