//! A port that is open before the service behind it is, and that keeps what went through.
//!
//! The script does not wait for the service to read our metadata; neither would a person's browser get an answer before that. Connections
//! that come early are held until the service is ready.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

#[derive(Default)]
struct Behind {
    address: Mutex<Option<SocketAddr>>,
    known: Condvar,
    /// What went either way.
    written: Mutex<Vec<u8>>,
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

    /// What went through, either way, where it is text.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.behind.written.lock().unwrap()).into_owned()
    }

    /// From now on the service is there.
    pub(crate) fn stand_before(&self, address: SocketAddr) {
        *self.behind.address.lock().unwrap() = Some(address);
        self.behind.known.notify_all();
    }
}

impl Behind {
    /// Carries one way until either end has had enough.
    fn copy(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            // Written down before it arrives: whoever has an answer finds it here.
            self.written.lock().unwrap().extend_from_slice(&buffer[..read]);
            if to.write_all(&buffer[..read]).is_err() {
                return;
            }
        }
    }
}

fn carry(from: &TcpStream, behind: &Behind) {
    // Not held on to: the next connection looks at it too, while this one goes on.
    let address = *behind.known.wait_while(behind.address.lock().unwrap(), |address| address.is_none()).unwrap();
    let address = address.expect("the wait ends when it is there");
    let Ok(to) = TcpStream::connect(address) else { return };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            behind.copy(from, &to);
            let _ = to.shutdown(Shutdown::Write);
        });
        behind.copy(&to, from);
        let _ = from.shutdown(Shutdown::Write);
    });
}
