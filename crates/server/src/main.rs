//! The program; everything is in the library.

use std::process::ExitCode;

/// A sign-in makes a few hundred small allocations on one thread and frees some on another, which is what the C library's allocator is
/// slowest at. Measured: docs/benchmarks.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One provider for the whole process, before anything speaks TLS. That it is installed already is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    latchkey_server::cli::main().into()
}
