//! One netlink socket and its exchanges: dumps, and requests of which many travel together. It blocks, as
//! the kernel does its work inside `sendmsg` anyway; see `thread.rs` for who may call it.
//!
//! It does not know what the messages mean. Bytes of the kernel are split with checked lengths here and
//! handed on as slices.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable, NlasIterator,
};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

/// Room for one read. The kernel fills at most 32 KiB per part of a dump.
const READ: usize = 64 << 10;
/// Requests that travel together. Their answers must fit into the socket's receive buffer (208 KiB by
/// default, of which an answer takes about 1 KiB), else the kernel drops some.
const TOGETHER: usize = 64;
/// Bytes that travel together, below the default send buffer.
const TOGETHER_BYTES: usize = 32 << 10;
/// How often a dump is repeated when the kernel says that its table changed meanwhile.
const REPEATS: usize = 10;
/// The kernel answers at once; this only keeps a bug from holding a thread for ever.
const PATIENCE_SECONDS: i64 = 30;

const HEADER: usize = 16;
/// `NLMSGERR_ATTR_MSG` of linux/netlink.h
const REASON: u16 = 1;

/// Why the kernel did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The kernel refused, sometimes with a reason.
    #[error("{errno}{}{reason}", if reason.is_empty() { "" } else { ": " })]
    Refused { errno: Errno, reason: String },
    /// The socket failed before an answer came. The request may have been done.
    #[error("the netlink socket failed: {errno}")]
    Socket { errno: Errno },
    /// A table changed each time it was read.
    #[error("the table changed {REPEATS} times while it was read")]
    Unstable,
    /// The answer breaks the rules of the protocol.
    #[error("the answer is malformed")]
    Malformed,
    /// A thread could not be had, or ended early.
    #[error("the work could not be run: {reason}")]
    NotRun { reason: String },
}

impl Cause {
    /// The kernel's error number, when there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } | Self::Socket { errno } => Some(*errno),
            Self::Unstable | Self::Malformed | Self::NotRun { .. } => None,
        }
    }

    fn socket(error: &std::io::Error) -> Self {
        Self::Socket { errno: Errno::from_raw(error.raw_os_error().unwrap_or_default()) }
    }
}

/// A request that has been encoded. The sequence number is filled in when it is sent.
pub(crate) struct Encoded(Vec<u8>);

impl Encoded {
    pub(crate) fn new<M: NetlinkSerializable>(message: M, flags: u16) -> Self {
        let payload = NetlinkPayload::InnerMessage(message);
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload);
        message.header.flags = NLM_F_REQUEST | flags;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        // Messages that share a buffer start at multiples of four.
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        Self(bytes)
    }

    fn append_to(&self, buffer: &mut Vec<u8>, sequence: u32) {
        let start = buffer.len();
        buffer.extend_from_slice(&self.0);
        if let Some(field) = buffer.get_mut(start + 8..start + 12) {
            field.copy_from_slice(&sequence.to_ne_bytes());
        }
    }
}

/// A netlink socket in the namespace of the thread that opened it.
pub(crate) struct Transport {
    socket: Socket,
    sequence: u32,
}

impl Transport {
    /// Opens a socket in the namespace of the calling thread.
    pub(crate) fn open(protocol: isize) -> std::io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        // So that the kernel itself filters dumps, and refuses a request it does not understand.
        socket.set_netlink_get_strict_chk(true)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(PATIENCE_SECONDS))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Asks for a whole table and gives each entry's message type and payload. A table that changes while
    /// it is read is read again.
    pub(crate) fn dump<T: Default>(
        &mut self,
        request: &Encoded,
        mut take: impl FnMut(&mut T, u16, &[u8]),
    ) -> Result<T, Cause> {
        for _ in 0..REPEATS {
            let mut table = T::default();
            if self.dump_once(request, |kind, payload| take(&mut table, kind, payload))? {
                return Ok(table);
            }
        }
        Err(Cause::Unstable)
    }

    /// True when the table held still.
    fn dump_once(&mut self, request: &Encoded, mut take: impl FnMut(u16, &[u8])) -> Result<bool, Cause> {
        let sequence = self.send(std::slice::from_ref(request))?;
        let mut stable = true;
        let mut buffer = Vec::with_capacity(READ);
        loop {
            for message in self.receive(&mut buffer)? {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                stable &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        return message.verdict().map(|()| stable);
                    }
                    kind => take(kind, message.payload),
                }
            }
        }
    }

    /// Asks for one object. `take` gets each message that comes before the acknowledgement.
    pub(crate) fn get(&mut self, request: &Encoded, mut take: impl FnMut(u16, &[u8])) -> Result<(), Cause> {
        let sequence = self.send(std::slice::from_ref(request))?;
        let mut buffer = Vec::with_capacity(READ);
        loop {
            for message in self.receive(&mut buffer)? {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => return message.verdict(),
                    kind => take(kind, message.payload),
                }
            }
        }
    }

    /// Has many requests done in their order; a refused one does not stop the later ones. All must ask
    /// for an acknowledgement. The results stand in the order of the requests.
    pub(crate) fn transact(&mut self, requests: &[Encoded]) -> Vec<Result<(), Cause>> {
        let mut results = Vec::with_capacity(requests.len());
        let mut rest = requests;
        while !rest.is_empty() {
            let (together, later) = rest.split_at(fitting(rest));
            rest = later;
            self.transact_together(together, &mut results);
        }
        results
    }

    fn transact_together(&mut self, requests: &[Encoded], results: &mut Vec<Result<(), Cause>>) {
        let first = match self.send(requests) {
            Ok(first) => first,
            Err(cause) => return results.extend(requests.iter().map(|_| Err(cause.clone()))),
        };
        let mut answers: Vec<Option<Result<(), Cause>>> = vec![None; requests.len()];
        let broken = self.collect(first, &mut answers).err().unwrap_or(Cause::Malformed);
        results.extend(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(broken.clone()))));
    }

    /// Reads until every place has its answer. `first` is the sequence number of the first place.
    fn collect(&self, first: u32, answers: &mut [Option<Result<(), Cause>>]) -> Result<(), Cause> {
        let mut missing = answers.len();
        let mut buffer = Vec::with_capacity(READ);
        while missing > 0 {
            for message in self.receive(&mut buffer)? {
                let message = message?;
                let place = message.sequence.wrapping_sub(first) as usize;
                if message.kind == NLMSG_ERROR
                    && let Some(answer @ None) = answers.get_mut(place)
                {
                    *answer = Some(message.verdict());
                    missing -= 1;
                }
            }
        }
        Ok(())
    }

    /// Sends requests in one datagram and gives the sequence number of the first.
    fn send(&mut self, requests: &[Encoded]) -> Result<u32, Cause> {
        let first = self.sequence.wrapping_add(1);
        let mut buffer = Vec::with_capacity(requests.iter().map(|request| request.0.len()).sum());
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            request.append_to(&mut buffer, self.sequence);
        }
        self.socket.send(&buffer, 0).map_err(|error| Cause::socket(&error))?;
        Ok(first)
    }

    fn receive<'b>(&self, buffer: &'b mut Vec<u8>) -> Result<Messages<'b>, Cause> {
        loop {
            buffer.clear();
            match self.socket.recv(buffer, 0) {
                Ok(_) => return Ok(Messages(buffer)),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Cause::socket(&error)),
            }
        }
    }
}

/// How many of the requests travel in the next datagram; at least one.
fn fitting(requests: &[Encoded]) -> usize {
    let mut bytes = 0;
    let fits = |request: &&Encoded| {
        bytes += request.0.len();
        bytes <= TOGETHER_BYTES
    };
    requests.iter().take(TOGETHER).take_while(fits).count().max(1)
}

/// What flags make a request a dump.
pub(crate) const DUMP: u16 = NLM_F_DUMP;
/// What flag asks for an acknowledgement.
pub(crate) const ACKNOWLEDGE: u16 = NLM_F_ACK;

/// The messages of one datagram.
pub(crate) struct Messages<'b>(pub(crate) &'b [u8]);

/// One message of the kernel.
pub(crate) struct Message<'b> {
    pub(crate) kind: u16,
    flags: u16,
    sequence: u32,
    pub(crate) payload: &'b [u8],
}

impl<'b> Iterator for Messages<'b> {
    type Item = Result<Message<'b>, Cause>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = split_message(self.0);
        self.0 = match &message {
            Some((_, rest)) => rest,
            None => &[],
        };
        Some(message.map(|(message, _)| message).ok_or(Cause::Malformed))
    }
}

fn split_message(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = usize::try_from(read_u32(bytes)?).ok()?;
    let payload = bytes.get(HEADER..length)?;
    let message = Message {
        kind: read_u16(bytes.get(4..)?)?,
        flags: read_u16(bytes.get(6..)?)?,
        sequence: read_u32(bytes.get(8..)?)?,
        payload,
    };
    Some((message, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

impl Message<'_> {
    /// What a message that ends an exchange says: all is well, or an error number and perhaps a reason.
    fn verdict(&self) -> Result<(), Cause> {
        // A DONE message without a body ends a dump well.
        let Some(code) = read_u32(self.payload) else { return Ok(()) };
        let errno = i32::from_ne_bytes(code.to_ne_bytes()).wrapping_neg();
        if errno <= 0 {
            Ok(())
        } else {
            Err(Cause::Refused { errno: Errno::from_raw(errno), reason: self.reason() })
        }
    }

    fn reason(&self) -> String {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return String::new();
        }
        // Behind the number stands the header of the request, without its body as the socket asks for
        // capped answers. A DONE message has no such header.
        let skip = if self.kind == NLMSG_ERROR { 4 + HEADER } else { 4 };
        let attributes = self.payload.get(skip..).unwrap_or_default();
        attribute(attributes, REASON).map(text).unwrap_or_default()
    }
}

/// The attributes of a message, kinds without their flag bits, as far as they are well formed.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(|attribute| {
        let attribute = attribute.ok()?;
        let length = usize::from(attribute.length());
        let kind = attribute.kind();
        attribute.into_inner().get(4..length).map(|value| (kind, value))
    })
}

/// The first attribute of this kind.
pub(crate) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(found, value)| (found == kind).then_some(value))
}

/// A text as the kernel writes it: up to the first zero byte.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

pub(crate) fn read_u32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

pub(crate) fn read_u16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// An address of four or sixteen bytes.
pub(crate) fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
        16 => bytes.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
        _ => None,
    }
}
