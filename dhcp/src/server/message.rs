//! Writes answers: the fixed part, and the options in the order in which dnsmasq sends them, filtered
//! by what the client asked for. Pure.
//!
//! Options that do not fit into the client's largest message go into the `file` and `sname` fields
//! (RFC 2132 section 9.3), in turn; what fits nowhere is left out, last ones first, so the ones that a
//! client cannot do without come first.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, Opcode};
use dhcproto::{Encodable, Encoder};

use super::decision::{Grant, Refusal};
use super::option::{WireOption, code};
use super::request::{FIXED_LENGTH, Request};
use super::table::{Extra, FOR_EVER, Host, PortOption, Table, TableSubnet, Times};

/// Old clients drop what is shorter (BOOTP, RFC 951), in bytes.
const SHORTEST: usize = 300;
/// The IP packet that every client takes (RFC 2131 section 2), in bytes.
const EVERY_CLIENT_TAKES: u16 = 576;
/// The largest answer, as an IP packet in bytes: it must pass the smallest networks in use whole.
const LARGEST: u16 = 1400;
/// IP and UDP headers, in bytes.
const HEADERS: u16 = 28;
/// Shorter leases than this are not given, in seconds: they would keep the server busy.
const SHORTEST_LEASE: u32 = 120;
/// The `file` and `sname` fields, with their values for option 52.
const FILE: (std::ops::Range<usize>, u8) = (108..236, 1);
const SNAME: (std::ops::Range<usize>, u8) = (44..108, 2);
const END: u8 = 255;

/// An answer that gives an address: DHCPOFFER or DHCPACK. Without a lease time nothing is given but
/// options.
pub fn grant(
    table: &Table,
    request: &Request,
    kind: MessageType,
    grant: &Grant<'_>,
) -> Option<(Vec<u8>, u32)> {
    let lease = lease_time(&table.times, request.lease_time);
    let extra = Extras::of(request, Some(grant.host));
    let mut blocks = Blocks::new(kind, grant.subnet.subnet.server)?;
    blocks.times(&table.times, lease, request)?;
    // A client that says its name hears the one that it has here only once it has the address.
    let name = (kind == MessageType::Ack || !request.named).then(|| grant.host.name_for(grant.address));
    blocks.configured(request, grant.subnet, &extra, name)?;
    let header = header(request, grant.address, extra.next_server.unwrap_or(grant.subnet.subnet.server));
    Some((finish(&header, request, &extra, &blocks)?, lease))
}

/// The answer to DHCPINFORM.
pub fn inform(
    table: &Table,
    request: &Request,
    subnet: &TableSubnet,
    host: Option<&Host>,
) -> Option<Vec<u8>> {
    let extra = Extras::of(request, host);
    let mut blocks = Blocks::new(MessageType::Ack, subnet.subnet.server)?;
    blocks.push(&DhcpOption::AddressLeaseTime(table.times.lease))?;
    let address = request.client_address.filter(|_| host.is_some());
    blocks.configured(request, subnet, &extra, address.and_then(|at| host.map(|host| host.name_for(at))))?;
    let next_server = extra.next_server.unwrap_or(subnet.subnet.server);
    let header = header(request, Ipv4Addr::UNSPECIFIED, next_server);
    finish(&header, request, &extra, &blocks)
}

/// DHCPNAK: no address, no `siaddr`, broadcast.
pub fn refusal(request: &Request, server: Ipv4Addr, reason: Refusal) -> Option<Vec<u8>> {
    let mut blocks = Blocks::new(MessageType::Nak, server)?;
    blocks.push(&DhcpOption::Message(reason.to_string()))?;
    let mut header = header(request, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
    header.set_ciaddr(Ipv4Addr::UNSPECIFIED).set_flags(Flags::from(request.flags).set_broadcast());
    finish(&header, request, &Extras::default(), &blocks)
}

/// The client's wish, within the shortest and the configured lease.
fn lease_time(times: &Times, wish: Option<u32>) -> u32 {
    wish.map_or(times.lease, |wish| wish.max(SHORTEST_LEASE).min(times.lease))
}

fn header(request: &Request, address: Ipv4Addr, next_server: Ipv4Addr) -> Message {
    let mut message = Message::default();
    message
        .set_opcode(Opcode::BootReply)
        .set_xid(request.transaction)
        .set_flags(Flags::from(request.flags))
        .set_ciaddr(request.client_address.unwrap_or(Ipv4Addr::UNSPECIFIED))
        .set_yiaddr(address)
        .set_siaddr(next_server)
        .set_giaddr(request.relay.unwrap_or(Ipv4Addr::UNSPECIFIED))
        .set_chaddr(&request.mac.0);
    message
}

/// A port's own options, as far as they are for this client.
#[derive(Default)]
struct Extras<'t> {
    options: Vec<&'t PortOption>,
    next_server: Option<Ipv4Addr>,
    /// The values of options 67 and 66 when the client reads them from `file` and `sname`.
    file: Option<&'t [u8]>,
    sname: Option<&'t [u8]>,
}

impl<'t> Extras<'t> {
    fn of(request: &Request, host: Option<&'t Host>) -> Self {
        let Some(extra) = host.and_then(|host| host.extra.as_deref()) else { return Self::default() };
        let Extra { options, next_server, .. } = extra;
        let mut chosen: Vec<&PortOption> = Vec::with_capacity(options.len());
        for option in options.iter().filter(|option| request.ipxe || !option.ipxe_only) {
            // An option that names the client's kind is meant instead of the one that does not.
            chosen.retain(|other| other.code != option.code || (other.ipxe_only && !option.ipxe_only));
            if chosen.iter().all(|other| other.code != option.code) {
                chosen.push(option);
            }
        }
        let field = |code| {
            let option = chosen.iter().find(|option| option.code == code)?;
            let named = request.parameters.wants(code);
            option.wire.as_ref().and_then(|wire| wire.bytes.get(2..)).filter(|_| !named)
        };
        let (file, sname) = (field(code::BOOT_FILE), field(code::SERVER_NAME));
        Self { options: chosen, next_server: *next_server, file, sname }
    }

    fn replaces(&self, code: u8) -> bool {
        self.options.iter().any(|option| option.code == code)
    }
}

/// Encoded options in the order in which they are sent: one buffer, and where each begins.
struct Blocks {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// `dhcproto` writes at the beginning of a buffer only.
    scratch: Vec<u8>,
}

impl Blocks {
    fn new(kind: MessageType, server: Ipv4Addr) -> Option<Self> {
        let mut blocks =
            Self { bytes: Vec::with_capacity(320), ends: Vec::with_capacity(24), scratch: Vec::new() };
        blocks.push(&DhcpOption::MessageType(kind))?;
        blocks.push(&DhcpOption::ServerIdentifier(server))?;
        Some(blocks)
    }

    fn push(&mut self, option: &DhcpOption) -> Option<()> {
        self.scratch.clear();
        option.encode(&mut Encoder::new(&mut self.scratch)).ok()?;
        self.bytes.extend_from_slice(&self.scratch);
        self.ends.push(self.bytes.len());
        Some(())
    }

    fn copy(&mut self, option: &WireOption) {
        self.bytes.extend_from_slice(&option.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Options 51, 58 and 59. When a lease is renewed the last two are a little early, so that clients
    /// that started together do not renew together for ever.
    fn times(&mut self, times: &Times, lease: u32, request: &Request) -> Option<()> {
        self.push(&DhcpOption::AddressLeaseTime(lease))?;
        if lease == FOR_EVER {
            return Some(());
        }
        let early =
            if request.client_address.is_some() { request.transaction % (lease / 16).max(1) } else { 0 };
        let half = lease / 2;
        let most = lease - lease / 8;
        let renewal = times.renewal.filter(|renewal| *renewal < lease);
        let rebinding = times.rebinding.filter(|rebinding| *rebinding < lease);
        self.push(&DhcpOption::Renewal(renewal.unwrap_or(half - early)))?;
        self.push(&DhcpOption::Rebinding(rebinding.unwrap_or(most - early)))
    }

    fn configured(
        &mut self,
        request: &Request,
        subnet: &TableSubnet,
        extra: &Extras<'_>,
        name: Option<String>,
    ) -> Option<()> {
        let wanted = |code| request.parameters.wants(code) && !extra.replaces(code);
        for option in subnet.before_name.iter().filter(|option| wanted(option.code)) {
            self.copy(option);
        }
        if let Some(name) = name.filter(|_| wanted(code::HOST_NAME)) {
            self.push(&DhcpOption::Hostname(name))?;
        }
        for option in extra.options.iter().filter_map(|option| option.wire.as_ref()) {
            if request.parameters.wants(option.code) || option.code == code::MTU {
                self.copy(option);
            }
        }
        for option in &subnet.after_name {
            // The MTU is sent unasked: a guest that does not know it loses large packets.
            if wanted(option.code) || (option.code == code::MTU && !extra.replaces(code::MTU)) {
                self.copy(option);
            }
        }
        Some(())
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).filter_map(|(begin, end)| self.bytes.get(begin..*end))
    }
}

/// Puts header and options together.
fn finish(header: &Message, request: &Request, extra: &Extras<'_>, blocks: &Blocks) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(FIXED_LENGTH + blocks.bytes.len() + 64);
    header.encode(&mut Encoder::new(&mut bytes)).ok()?;
    bytes.resize(FIXED_LENGTH, 0);
    let mut fields = Fields::of(&mut bytes, extra)?;
    let largest = request.largest_message.unwrap_or(EVERY_CLIENT_TAKES).clamp(EVERY_CLIENT_TAKES, LARGEST);
    // Option 82 comes last and must not be lost (RFC 3046 section 2.2).
    let relay = request.relay_agent.as_ref().and_then(|value| WireOption::raw(82, value.clone()));
    let kept = relay.as_ref().map_or(0, |relay| relay.bytes.len()) + 1;
    let room = usize::from(largest - HEADERS).saturating_sub(FIXED_LENGTH + kept);
    if blocks.bytes.len() <= room {
        bytes.extend_from_slice(&blocks.bytes);
    } else {
        let main = fields.spread(&mut bytes, blocks, room.saturating_sub(3));
        bytes.extend_from_slice(&main);
        bytes.extend([52, 1, fields.overload]);
    }
    if let Some(relay) = relay {
        bytes.extend_from_slice(&relay.bytes);
    }
    bytes.push(END);
    bytes.resize(bytes.len().max(SHORTEST), 0);
    Some(bytes)
}

/// The `file` and `sname` fields as far as they are free for options.
struct Fields {
    free: Vec<(std::ops::Range<usize>, u8)>,
    overload: u8,
}

impl Fields {
    /// Writes the texts that belong into the fields.
    fn of(bytes: &mut [u8], extra: &Extras<'_>) -> Option<Self> {
        let mut free = Vec::new();
        for ((range, bit), text) in [(FILE, extra.file), (SNAME, extra.sname)] {
            match text {
                None => free.push((range, bit)),
                Some(text) => {
                    let field = bytes.get_mut(range)?;
                    let length = text.len().min(field.len() - 1);
                    field.get_mut(..length)?.copy_from_slice(text.get(..length)?);
                }
            }
        }
        Some(Self { free, overload: 0 })
    }

    /// Fills the fields with what does not fit into `room` bytes, and returns what does.
    fn spread(&mut self, bytes: &mut [u8], blocks: &Blocks, room: usize) -> Vec<u8> {
        let mut main = Vec::with_capacity(room);
        for block in blocks.iter() {
            if main.len() + block.len() <= room {
                main.extend_from_slice(block);
                continue;
            }
            // One byte of each field is for its end marker.
            let Some(position) = self.free.iter().position(|(range, _)| block.len() < range.len()) else {
                continue;
            };
            let (range, bit) = &mut self.free[position];
            let end = range.start + block.len();
            if let Some(place) = bytes.get_mut(range.start..end) {
                place.copy_from_slice(block);
            }
            if let Some(marker) = bytes.get_mut(end) {
                *marker = END;
            }
            range.start = end;
            self.overload |= *bit;
        }
        main
    }
}
