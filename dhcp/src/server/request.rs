//! What the server reads out of a client's packet, and why a packet is not worth reading.
//!
//! Options beyond those named here are not decoded: they have no bearing on an answer, so they cannot
//! do harm either.

use std::net::Ipv4Addr;

use dhcproto::v4::borrowed::Message;
use dhcproto::v4::{DhcpOption, HType, MAGIC, MessageType, Opcode};
use model::Mac;

use super::split::{Found, Options, SplitError};

/// The fixed part of a message with the magic cookie, in bytes.
pub const FIXED_LENGTH: usize = 240;
/// The longest message that is read, in bytes: more than an Ethernet frame holds.
pub const LONGEST: usize = 4096;
/// RFC 1542 section 4.1.1: a message that has come further is in a loop.
const MOST_HOPS: u8 = 16;

/// The options that are read. None of them is one that `dhcproto` asserts a length of.
mod code {
    pub(super) const HOST_NAME: u8 = 12;
    pub(super) const REQUESTED_ADDRESS: u8 = 50;
    pub(super) const LEASE_TIME: u8 = 51;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const SERVER_ID: u8 = 54;
    pub(super) const PARAMETERS: u8 = 55;
    pub(super) const LARGEST_MESSAGE: u8 = 57;
    pub(super) const CLIENT_ID: u8 = 61;
    pub(super) const RELAY_AGENT: u8 = 82;
    pub(super) const SUBNET_SELECTION: u8 = 118;
    pub(super) const IPXE: u8 = 175;
}

/// The sub-option of option 82 that says which subnet the client is on (RFC 3527).
const LINK_SELECTION: u8 = 5;

/// A client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    pub transaction: u32,
    pub hops: u8,
    pub secs: u16,
    /// The flags field as it came; replies carry the same.
    pub flags: u16,
    /// `ciaddr`: the address that the client has and answers ARP for.
    pub client_address: Option<Ipv4Addr>,
    /// `giaddr`: the relay that passed the message on.
    pub relay: Option<Ipv4Addr>,
    pub mac: Mac,
    pub requested_address: Option<Ipv4Addr>,
    pub server_id: Option<Ipv4Addr>,
    /// The lease that the client wishes for, in seconds.
    pub lease_time: Option<u32>,
    pub parameters: Parameters,
    /// The largest IP packet that the client takes, in bytes.
    pub largest_message: Option<u16>,
    pub client_id: Option<Vec<u8>>,
    /// Whether the client named itself (option 12).
    pub named: bool,
    pub ipxe: bool,
    /// Option 82, to be sent back as it is.
    pub relay_agent: Option<Vec<u8>>,
    /// The address that stands for the client's subnet when it is not the relay's own.
    pub link: Option<Ipv4Addr>,
}

/// The messages that clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Discover,
    Request,
    Decline,
    Release,
    Inform,
}

/// The options that a client asks for (option 55).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parameters {
    /// One bit per code. All zero stands for a client that did not say.
    codes: [u64; 4],
}

impl Parameters {
    /// Whether the client wants an option. One that asks for nothing gets everything.
    pub fn wants(&self, code: u8) -> bool {
        self.codes == [0; 4] || self.names(code)
    }

    /// Whether the client asks for an option by its number.
    pub fn names(&self, code: u8) -> bool {
        self.codes.get(usize::from(code >> 6)).is_some_and(|word| word >> (code & 63) & 1 == 1)
    }
}

impl FromIterator<u8> for Parameters {
    fn from_iter<I: IntoIterator<Item = u8>>(codes: I) -> Self {
        let mut parameters = Self::default();
        for code in codes {
            if let Some(word) = parameters.codes.get_mut(usize::from(code >> 6)) {
                *word |= 1 << (code & 63);
            }
        }
        parameters
    }
}

/// Why a packet is dropped before anybody thinks about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Malformed {
    #[error("shorter than a DHCP message")]
    TooShort,
    #[error("longer than {LONGEST} bytes")]
    TooLong,
    #[error("not a request")]
    NotARequest,
    #[error("not from an Ethernet client")]
    NotEthernet,
    #[error("no usable client address")]
    BadMac,
    #[error("relayed too often")]
    TooManyHops,
    #[error("no DHCP magic cookie")]
    NotDhcp,
    #[error("an option runs past the end")]
    TruncatedOption,
    #[error("too many options")]
    TooManyOptions,
    #[error("an address option is not an address")]
    BadOption,
    #[error("no DHCP message type")]
    NoMessageType,
    #[error("not a client's message type")]
    WrongMessageType,
}

impl From<SplitError> for Malformed {
    fn from(error: SplitError) -> Self {
        match error {
            SplitError::Truncated => Self::TruncatedOption,
            SplitError::TooMany => Self::TooManyOptions,
        }
    }
}

impl Request {
    /// Reads the payload of a UDP packet.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > LONGEST {
            return Err(Malformed::TooLong);
        }
        let message = Message::new(bytes).map_err(|_| Malformed::TooShort)?;
        let mac = ethernet_client(&message)?;
        if message.hops() > MOST_HOPS {
            return Err(Malformed::TooManyHops);
        }
        let options = options(bytes)?;
        let relay_agent = options.value(code::RELAY_AGENT);
        let link = address(&options, code::SUBNET_SELECTION)
            .unwrap_or_default()
            .or_else(|| relay_agent.as_deref().and_then(link_selection));
        Ok(Self {
            kind: kind(&options)?,
            transaction: message.xid(),
            hops: message.hops(),
            secs: message.secs(),
            flags: message.flags().into(),
            client_address: specified(message.ciaddr()),
            relay: specified(message.giaddr()),
            mac,
            requested_address: address(&options, code::REQUESTED_ADDRESS)?,
            server_id: address(&options, code::SERVER_ID)?,
            lease_time: lease_time(&options),
            parameters: parameters(&options),
            largest_message: largest_message(&options),
            client_id: options.value(code::CLIENT_ID),
            named: options.has(code::HOST_NAME),
            ipxe: options.has(code::IPXE),
            relay_agent,
            link,
        })
    }

    /// Whether the client asks for its answers to be broadcast.
    pub fn wants_broadcast(&self) -> bool {
        self.flags & 0x8000 != 0
    }
}

fn ethernet_client(message: &Message<'_>) -> Result<Mac, Malformed> {
    if message.opcode() != Opcode::BootRequest {
        return Err(Malformed::NotARequest);
    }
    // The length is looked at first: `chaddr` trusts it.
    if message.hlen() != 6 || message.htype() != HType::Eth {
        return Err(Malformed::NotEthernet);
    }
    let mac = Mac(message.chaddr().try_into().map_err(|_| Malformed::NotEthernet)?);
    if mac.is_multicast() || mac == Mac::ZERO { Err(Malformed::BadMac) } else { Ok(mac) }
}

/// The option areas: after the cookie, `file` (128 bytes at 108) and `sname` (64 bytes at 44).
fn options(bytes: &[u8]) -> Result<Options<'_>, Malformed> {
    let area = |range| bytes.get(range).ok_or(Malformed::TooShort);
    if area(FIXED_LENGTH - MAGIC.len()..FIXED_LENGTH)? != MAGIC {
        return Err(Malformed::NotDhcp);
    }
    Ok(Options::split(area(FIXED_LENGTH..bytes.len())?, area(108..236)?, area(44..108)?)?)
}

fn kind(options: &Options<'_>) -> Result<Kind, Malformed> {
    match options.find(code::MESSAGE_TYPE) {
        Some(Found::Decoded(DhcpOption::MessageType(kind))) => match kind {
            MessageType::Discover => Ok(Kind::Discover),
            MessageType::Request => Ok(Kind::Request),
            MessageType::Decline => Ok(Kind::Decline),
            MessageType::Release => Ok(Kind::Release),
            MessageType::Inform => Ok(Kind::Inform),
            _ => Err(Malformed::WrongMessageType),
        },
        _ => Err(Malformed::NoMessageType),
    }
}

/// An option that holds one address. 0.0.0.0 counts as absent: some clients fill options in with it.
fn address(options: &Options<'_>, code: u8) -> Result<Option<Ipv4Addr>, Malformed> {
    match options.find(code) {
        None => Ok(None),
        Some(Found::Decoded(
            DhcpOption::RequestedIpAddress(address)
            | DhcpOption::ServerIdentifier(address)
            | DhcpOption::SubnetSelection(address),
        )) => Ok(specified(address)),
        Some(_) => Err(Malformed::BadOption),
    }
}

fn specified(address: Ipv4Addr) -> Option<Ipv4Addr> {
    Some(address).filter(|address| !address.is_unspecified())
}

fn lease_time(options: &Options<'_>) -> Option<u32> {
    match options.find(code::LEASE_TIME)? {
        Found::Decoded(DhcpOption::AddressLeaseTime(seconds)) => Some(seconds),
        _ => None,
    }
}

fn largest_message(options: &Options<'_>) -> Option<u16> {
    match options.find(code::LARGEST_MESSAGE)? {
        Found::Decoded(DhcpOption::MaxMessageSize(bytes)) => Some(bytes),
        _ => None,
    }
}

fn parameters(options: &Options<'_>) -> Parameters {
    match options.find(code::PARAMETERS) {
        Some(Found::Decoded(DhcpOption::ParameterRequestList(codes))) => {
            codes.into_iter().map(u8::from).collect()
        }
        _ => Parameters::default(),
    }
}

fn link_selection(relay_agent: &[u8]) -> Option<Ipv4Addr> {
    let mut rest = relay_agent;
    while let [code, length, after @ ..] = rest {
        let (value, next) = after.split_at_checked(usize::from(*length))?;
        if *code == LINK_SELECTION {
            return Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?));
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_asks_for_nothing_wants_everything() {
        let all = Parameters::default();
        assert!(all.wants(3) && all.wants(249) && !all.names(3));
        let some: Parameters = [1, 3, 121, 249, 255].into_iter().collect();
        assert!(some.wants(3) && some.wants(255) && some.names(121) && !some.wants(6));
    }

    #[test]
    fn the_relay_says_where_the_client_is() {
        assert_eq!(link_selection(&[1, 1, 7, 5, 4, 10, 1, 0, 0]), Some(Ipv4Addr::new(10, 1, 0, 0)));
        for odd in [&[][..], &[5], &[5, 9, 1], &[5, 3, 1, 2, 3], &[1, 0]] {
            assert_eq!(link_selection(odd), None);
        }
    }
}
