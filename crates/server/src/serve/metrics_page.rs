//! `/metrics`, on a listener of its own.
//!
//! Owns the recorder of the process. Must not know what is measured.

use axum::Router;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::code::Own;
use crate::exit::{Failure, Result};

/// Upper bounds of the time buckets, seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Starts measuring.
pub(super) fn install() -> Result<PrometheusHandle> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Own::Serve001, format!("metrics cannot be started: {error}"), Own::Serve001.fix())
    };
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .map_err(|error| failed(&error))?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| failed(&error))?;
    Ok(handle)
}

/// The page, and nothing else.
pub(super) fn router(handle: PrometheusHandle) -> Router {
    let page = move || {
        let handle = handle.clone();
        async move {
            handle.run_upkeep();
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())
        }
    };
    Router::new().route("/metrics", get(page))
}
