//! A port that is open before the service behind it is.
//!
//! The script does not wait for the service to read our metadata; neither would a person's browser get an answer before that. Connections
//! that come early are held until the service is ready.

use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

#[derive(Default)]
struct Behind {
    address: Mutex<Option<SocketAddr>>,
    known: Condvar,
}

/// The open port.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    behind: Arc<Behind>,
}

impl Relay {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let behind = Arc::new(Behind::default());
        let ours = Arc::clone(&behind);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), behind) = (stream, Arc::clone(&ours)) else { return };
                std::thread::spawn(move || carry(&stream, &behind));
            }
        });
        Self { address, behind }
    }

    /// From now on the service is there.
    pub(crate) fn stand_before(&self, address: SocketAddr) {
        *self.behind.address.lock().unwrap() = Some(address);
        self.behind.known.notify_all();
    }
}

fn carry(from: &TcpStream, behind: &Behind) {
    let address = behind.known.wait_while(behind.address.lock().unwrap(), |address| address.is_none()).unwrap();
    let address = address.expect("the wait ends when it is there");
    let Ok(to) = TcpStream::connect(address) else { return };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = copy(&mut &*from, &mut &to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let _ = copy(&mut &to, &mut &*from);
        let _ = from.shutdown(Shutdown::Write);
    });
}
