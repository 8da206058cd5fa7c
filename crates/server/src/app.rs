//! What is served: the application between the shell of the process and the domain.

use axum::Router;

use crate::exit::Result;
use crate::serve::{App, Opened};

/// Builds the application from what the shell opened.
#[allow(clippy::unused_async)] // opening the store is
pub async fn build(opened: Opened) -> Result<App> {
    tracing::debug!(data = %opened.data.display(), "no store yet");
    Ok(App {
        public: Router::new(),
        operator: Router::new(),
        checks: Vec::new(),
        cloud_key: String::new(),
        at_stop: None,
    })
}
