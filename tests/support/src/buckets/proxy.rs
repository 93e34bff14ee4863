//! An HTTP proxy that loses answers on demand, and that can let one request at a time through.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What happens to writes: each n-th one suffers it. Zero: none does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The write is done, and the connection breaks before the answer.
    pub lose_answer: usize,
    /// The write is done, and the answer says that the server is busy.
    pub busy_after: usize,
    /// The connection breaks before the write.
    pub lose_request: usize,
    /// The server says that it is busy, and does nothing.
    pub busy_before: usize,
}

/// A proxy before one server. Dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    /// Held while a request is with the server, where one at a time is wanted.
    turn: Option<Mutex<()>>,
    faults: Mutex<Faults>,
    writes: AtomicUsize,
    suffered: AtomicUsize,
    is_over: AtomicBool,
}

/// What one write suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suffers {
    Nothing,
    LoseAnswer,
    BusyAfter,
    LoseRequest,
    BusyBefore,
}

const BUSY: &[u8] = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

impl Proxy {
    /// Starts one on a free port.
    #[must_use]
    pub fn start(server: SocketAddr, one_at_a_time: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("this host has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            server,
            turn: one_at_a_time.then(Mutex::default),
            faults: Mutex::default(),
            writes: AtomicUsize::new(0),
            suffered: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let all = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if all.is_over.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(client), one) = (client, all.clone()) else { continue };
                // A connection that breaks is its client's to notice.
                std::thread::spawn(move || one.serve(client));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, writes suffer this.
    pub fn set_faults(&self, faults: Faults) {
        *self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// How many writes have suffered a fault.
    #[must_use]
    pub fn suffered(&self) -> usize {
        self.shared.suffered.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// One request, one answer, and the connection ends.
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut reader = BufReader::new(client.try_clone()?);
        let request = read_request(&mut reader)?;
        let suffers = if request.starts_with(b"PUT") { self.next_fault() } else { Suffers::Nothing };
        let mut client = client;
        match suffers {
            Suffers::LoseRequest => return client.shutdown(Shutdown::Both),
            Suffers::BusyBefore => return client.write_all(BUSY),
            Suffers::Nothing | Suffers::LoseAnswer | Suffers::BusyAfter => {}
        }
        let answer = {
            let _turn = self.turn.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
            let mut server = TcpStream::connect(self.server)?;
            server.set_nodelay(true)?;
            server.write_all(&request)?;
            let mut answer = Vec::new();
            server.read_to_end(&mut answer)?;
            answer
        };
        match suffers {
            Suffers::LoseAnswer => client.shutdown(Shutdown::Both),
            Suffers::BusyAfter => client.write_all(BUSY),
            Suffers::Nothing | Suffers::LoseRequest | Suffers::BusyBefore => client.write_all(&answer),
        }
    }

    fn next_fault(&self) -> Suffers {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let faults = *self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let each = [
            (faults.lose_answer, Suffers::LoseAnswer),
            (faults.busy_after, Suffers::BusyAfter),
            (faults.lose_request, Suffers::LoseRequest),
            (faults.busy_before, Suffers::BusyBefore),
        ];
        let hit = each.into_iter().find(|(every, _)| *every > 0 && number.is_multiple_of(*every));
        if hit.is_some() {
            self.suffered.fetch_add(1, Ordering::SeqCst);
        }
        hit.map_or(Suffers::Nothing, |(_, suffers)| suffers)
    }
}

/// A whole request, asking the server to close the connection after its answer: that is where the answer ends.
fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        }
        if line == "\r\n" {
            break;
        }
        if !lower.starts_with("connection:") {
            request.extend(line.as_bytes());
        }
    }
    request.extend(b"Connection: close\r\n\r\n");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.extend(body);
    Ok(request)
}
