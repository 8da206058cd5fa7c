//! What is served: the application between the shell of the process and the domain.

use crate::serve::App;

/// Builds the application.
pub fn build() -> App {
    App { public: axum::Router::new() }
}
