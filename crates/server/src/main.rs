//! The program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // One provider for the whole process, before anything speaks TLS. That it is installed already is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    latchkey_server::cli::main().into()
}
