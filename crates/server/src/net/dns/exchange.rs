//! One question to one name server.
//!
//! Owns the datagram, the stream where an answer does not fit, and believing only what answers the question asked. Must not know what
//! the answer means.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long a server is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the answer to one datagram.
    pub(super) datagram: Duration,
    /// How often a datagram is sent.
    pub(super) attempts: usize,
    /// For the whole exchange over a stream.
    pub(super) stream: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { datagram: Duration::from_secs(2), attempts: 2, stream: Duration::from_secs(4) }
    }
}

/// What we can take in a datagram without fragments (the value of the DNS Flag Day 2020).
const PAYLOAD: u16 = 1232;

/// The longest answer read over a stream. A zone with more text than this at one name is not in order.
const MAX_STREAM: usize = 16 * 1024;

/// Why a server gave no answer that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// Answered, but is not in charge of the zone (a lame delegation).
    #[error("it answers, but not for this zone")]
    Lame,
    /// What came back is no DNS message, or one that contradicts itself.
    #[error("its answer cannot be read")]
    Malformed,
    /// SERVFAIL, REFUSED and the like.
    #[error("it answered {0}")]
    Refused(ResponseCode),
    /// Nothing came back in time.
    #[error("it did not answer in time")]
    Timeout,
    /// The machine cannot send there.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// Asks. `recurse` asks the server to find out for us; a zone's own server needs no such thing.
pub(super) async fn ask(
    server: SocketAddr,
    name: &Name,
    record_type: RecordType,
    recurse: bool,
    patience: Patience,
) -> Result<Message, NoAnswer> {
    let mut last = NoAnswer::Timeout;
    for _ in 0..patience.attempts {
        let question = question(name, record_type, recurse)?;
        match timeout(patience.datagram, by_datagram(server, &question)).await {
            Ok(Ok(answer)) if answer.metadata.truncation => {
                return timeout(patience.stream, by_stream(server, &question)).await.unwrap_or(Err(NoAnswer::Timeout));
            }
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = error,
            Err(_) => last = NoAnswer::Timeout,
        }
    }
    Err(last)
}

fn question(name: &Name, record_type: RecordType, recurse: bool) -> Result<Message, NoAnswer> {
    let mut id = [0; 2];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| NoAnswer::Unreachable("no random number".into()))?;
    let mut message = Message::new(u16::from_be_bytes(id), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = recurse;
    message.add_query(Query::query(name.clone(), record_type));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    message.set_edns(edns);
    Ok(message)
}

fn encode(question: &Message) -> Result<Vec<u8>, NoAnswer> {
    question.to_vec().map_err(|e| NoAnswer::Unreachable(e.to_string()))
}

async fn by_datagram(server: SocketAddr, question: &Message) -> Result<Message, NoAnswer> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A port of its own for each question, and connected, so that the kernel drops what others send.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&encode(question)?).await?;
    let mut buffer = [0; PAYLOAD as usize];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Somebody who guesses may send first. What does not answer our question is not the answer; the wait goes on.
        if let Some(answer) = read(&buffer[..length], question) {
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, question: &Message) -> Result<Message, NoAnswer> {
    let mut stream = TcpStream::connect(server).await?;
    let sent = encode(question)?;
    let length = u16::try_from(sent.len()).map_err(|_| NoAnswer::Malformed)?;
    stream.write_all(&[&length.to_be_bytes(), sent.as_slice()].concat()).await?;
    let length = usize::from(stream.read_u16().await?);
    if length > MAX_STREAM {
        return Err(NoAnswer::Malformed);
    }
    let mut buffer = vec![0; length];
    stream.read_exact(&mut buffer).await?;
    let answer = read(&buffer, question).ok_or(NoAnswer::Malformed)?;
    if answer.metadata.truncation { Err(NoAnswer::Malformed) } else { Ok(answer) }
}

/// The answer, if these bytes are one to this question.
fn read(bytes: &[u8], question: &Message) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let ours = answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.metadata.op_code == OpCode::Query
        && answer.queries == question.queries;
    ours.then_some(answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked() -> Message {
        question(&Name::from_ascii("_latchkey-challenge.acme.se.").unwrap(), RecordType::TXT, false).unwrap()
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let question = asked();
            prop_assert_eq!(read(&bytes, &question), None);
            // The same behind the head of a good answer.
            let mut answer = question.clone();
            answer.metadata.message_type = MessageType::Response;
            let mut behind = answer.to_vec().unwrap();
            behind[7] = bytes.first().copied().unwrap_or(1);
            behind.extend_from_slice(&bytes);
            let _ = read(&behind, &question);
        }

        #[test]
        fn an_answer_counts_only_with_the_id_that_was_asked(flip in 1u16..) {
            let question = asked();
            let mut answer = question.clone();
            answer.metadata.message_type = MessageType::Response;
            prop_assert!(read(&answer.to_vec().unwrap(), &question).is_some());
            answer.metadata.id ^= flip;
            prop_assert_eq!(read(&answer.to_vec().unwrap(), &question), None);
        }
    }
}
