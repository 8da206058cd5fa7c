//! A roll-out, live, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use latchkey_directory::OrgId;
use latchkey_directory::tokens::Progress;
use tokio::sync::watch::Receiver;

use crate::api::Shared;
use crate::api::caller::{Call, Lasting};
use crate::api::query::Plain;
use crate::api::scope::TokensRead;
use crate::problem::Result;

/// How often the counts are read.
const PAUSE: Duration = Duration::from_secs(1);

struct Watch {
    app: Shared,
    right: Lasting<TokensRead>,
    org: OrgId,
    id: String,
    stopping: Receiver<bool>,
    next: Option<Progress>,
    last: Option<Progress>,
}

/// Counts and failures of a token: once at the beginning, then whenever they change. Ends with the access token, or when its client loses the right.
#[utoipa::path(get, path = "/device-tokens/{id}/watch", tag = "tokens", responses((status = 200, content_type = "text/event-stream", body = Progress)))]
pub(super) async fn watch_token(
    call: Call<TokensRead>,
    right: Lasting<TokensRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    // An unknown token is a problem document, not a stream.
    let next = Some(app.directory.token_progress(&call.org, &id).await?);
    let stopping = app.stopping.clone();
    let watch = Watch { app, right, org: call.org, id, stopping, next, last: None };
    let events = unfold(watch, |mut watch| async move {
        let progress = watch.changed().await?;
        watch.last = Some(progress.clone());
        let event = Event::default().json_data(&progress).unwrap_or_default();
        Some((Ok(event), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Watch {
    /// The next counts that differ; `None` when the server stops, the caller may not read them any more, or nobody can.
    async fn changed(&mut self) -> Option<Progress> {
        if let Some(first) = self.next.take() {
            return Some(first);
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            }
            if !self.right.stands().await {
                return None;
            }
            let progress = self.app.directory.token_progress(&self.org, &self.id).await.ok()?;
            if self.last.as_ref() != Some(&progress) {
                return Some(progress);
            }
        }
    }
}
