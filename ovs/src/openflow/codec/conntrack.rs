//! The bodies of the `ct` action and of the `nat` action inside it as bytes. A `ct` inside of a `ct`, which
//! the switch refuses anyway, is not looked into, so what comes in cannot make us recurse.
//!
//! Source: `struct nx_action_conntrack` and `struct nx_action_nat` in Open vSwitch's headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::BufMut;

use super::super::conntrack::{Ct, CtZone, NO_TABLE, Nat, NatAddresses, NatChoice, NatDirection};
use super::actions::{
    Level, NX_NAT, nicira, nicira_parts, read_actions, take_action, u16_at, u32_at, write_actions,
};
use super::oxm::{offset_and_width, packed_subfield};
use super::{take_array, take_u16};

const COMMIT: u16 = 1;
const FORCE: u16 = 2;

const SOURCE: u16 = 1;
const DESTINATION: u16 = 2;
const PERSISTENT: u16 = 4;
const HASH: u16 = 8;
const RANDOM: u16 = 16;

const V4_FIRST: u16 = 1;
const V4_LAST: u16 = 2;
const V6_FIRST: u16 = 4;
const V6_LAST: u16 = 8;
const PORT_FIRST: u16 = 16;
const PORT_LAST: u16 = 32;

const PART: &str = "nat action";

pub(super) fn write_ct(ct: &Ct, out: &mut Vec<u8>) {
    out.put_u16(if ct.commit { COMMIT } else { 0 } | if ct.force { FORCE } else { 0 });
    match ct.zone {
        CtZone::Number(number) => {
            out.put_u32(0);
            out.put_u16(number);
        }
        CtZone::Field(field) => {
            out.put_u32(field.field.subfield_header());
            out.put_u16(offset_and_width(field));
        }
    }
    out.put_u8(ct.table.unwrap_or(NO_TABLE));
    out.put_bytes(0, 3);
    out.put_u16(ct.helper);
    if let Some(nat) = &ct.nat {
        nicira(NX_NAT, out, |out| write_nat(nat, out));
    }
    write_actions(&ct.exec, out);
}

fn write_nat(nat: &Nat, out: &mut Vec<u8>) {
    out.put_u16(0);
    let direction = match nat.direction {
        None => 0,
        Some(NatDirection::Source) => SOURCE,
        Some(NatDirection::Destination) => DESTINATION,
    };
    let choice = match nat.choice {
        NatChoice::Any => 0,
        NatChoice::Hash => HASH,
        NatChoice::Random => RANDOM,
    };
    out.put_u16(direction | choice | if nat.persistent { PERSISTENT } else { 0 });
    out.put_u16(present(nat));
    match nat.addresses {
        NatAddresses::Same => (),
        NatAddresses::V4(first, last) => {
            out.extend_from_slice(&first.octets());
            last.iter().for_each(|last| out.extend_from_slice(&last.octets()));
        }
        NatAddresses::V6(first, last) => {
            out.extend_from_slice(&first.octets());
            last.iter().for_each(|last| out.extend_from_slice(&last.octets()));
        }
    }
    if let Some((first, last)) = nat.ports {
        out.put_u16(first);
        last.iter().for_each(|last| out.put_u16(*last));
    }
}

/// Which parts of the range are there.
fn present(nat: &Nat) -> u16 {
    let addresses = match nat.addresses {
        NatAddresses::Same => 0,
        NatAddresses::V4(_, None) => V4_FIRST,
        NatAddresses::V4(_, Some(_)) => V4_FIRST | V4_LAST,
        NatAddresses::V6(_, None) => V6_FIRST,
        NatAddresses::V6(_, Some(_)) => V6_FIRST | V6_LAST,
    };
    let ports = match nat.ports {
        None => 0,
        Some((_, None)) => PORT_FIRST,
        Some((_, Some(_))) => PORT_FIRST | PORT_LAST,
    };
    addresses | ports
}

/// A `ct` action that has nothing in its head that has no name here. `body` follows the subtype.
pub(super) fn known_ct(body: &[u8]) -> Option<Ct> {
    let flags = u16_at(body, 0)?;
    let zone_number = u16_at(body, 6)?;
    let zone = match u32_at(body, 2)? {
        0 => CtZone::Number(zone_number),
        header => CtZone::Field(packed_subfield(header, zone_number)?),
    };
    let table = Some(*body.get(8)?).filter(|table| *table != NO_TABLE);
    let helper = u16_at(body, 12)?;
    let mut inside = body.get(14..)?;
    let nat = take_nat(&mut inside);
    let mut exec = Vec::new();
    read_actions(inside, Level::InsideCt, &mut exec).ok()?;
    let known_flags = flags & !(COMMIT | FORCE) == 0;
    known_flags.then_some(Ct {
        commit: flags & COMMIT != 0,
        force: flags & FORCE != 0,
        table,
        zone,
        nat,
        helper,
        exec,
    })
}

/// Takes a `nat` action off the front, if there is one that is understood.
fn take_nat(inside: &mut &[u8]) -> Option<Nat> {
    let mut behind = *inside;
    let (NX_NAT, body) = nicira_parts(take_action(&mut behind).ok()?)? else { return None };
    let nat = known_nat(body)?;
    *inside = behind;
    Some(nat)
}

fn known_nat(body: &[u8]) -> Option<Nat> {
    let flags = u16_at(body, 2)?;
    let present = u16_at(body, 4)?;
    let mut rest = body.get(6..)?;
    let direction = match flags & (SOURCE | DESTINATION) {
        0 => None,
        SOURCE => Some(NatDirection::Source),
        DESTINATION => Some(NatDirection::Destination),
        _ => return None,
    };
    let choice = match flags & (HASH | RANDOM) {
        0 => NatChoice::Any,
        HASH => NatChoice::Hash,
        RANDOM => NatChoice::Random,
        _ => return None,
    };
    let addresses = known_addresses(present, &mut rest)?;
    let ports = match present & (PORT_FIRST | PORT_LAST) {
        0 => None,
        PORT_FIRST => Some((take_u16(&mut rest, PART).ok()?, None)),
        PORT_LAST => return None,
        _ => Some((take_u16(&mut rest, PART).ok()?, Some(take_u16(&mut rest, PART).ok()?))),
    };
    let known_flags = flags & !(SOURCE | DESTINATION | PERSISTENT | HASH | RANDOM) == 0;
    let nat = Nat { direction, addresses, ports, persistent: flags & PERSISTENT != 0, choice };
    (known_flags && present >> 6 == 0 && rest.iter().all(|byte| *byte == 0)).then_some(nat)
}

fn known_addresses(present: u16, rest: &mut &[u8]) -> Option<NatAddresses> {
    const V4_BOTH: u16 = V4_FIRST | V4_LAST;
    const V6_BOTH: u16 = V6_FIRST | V6_LAST;
    match present & (V4_BOTH | V6_BOTH) {
        0 => Some(NatAddresses::Same),
        V4_FIRST => Some(NatAddresses::V4(take_ipv4(rest)?, None)),
        V4_BOTH => Some(NatAddresses::V4(take_ipv4(rest)?, Some(take_ipv4(rest)?))),
        V6_FIRST => Some(NatAddresses::V6(take_ipv6(rest)?, None)),
        V6_BOTH => Some(NatAddresses::V6(take_ipv6(rest)?, Some(take_ipv6(rest)?))),
        _ => None,
    }
}

fn take_ipv4(rest: &mut &[u8]) -> Option<Ipv4Addr> {
    take_array::<4>(rest, PART).ok().map(Ipv4Addr::from)
}

fn take_ipv6(rest: &mut &[u8]) -> Option<Ipv6Addr> {
    take_array::<16>(rest, PART).ok().map(Ipv6Addr::from)
}
