//! A client's packet as text: one line for each field or option.
//!
//! ```text
//! type discover            # or a number
//! mac fa:16:3e:00:00:03
//! flags broadcast
//! ciaddr 10.0.0.3
//! 50 10.0.0.3              # an option: an address,
//! 12 "name"                # text,
//! 51 60s                   # a number of 32 bits,
//! 55 1 3 6 121             # or bytes
//! held 10.0.0.3            # not in the packet: what the server acknowledged before
//! ```

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use model::Mac;

/// A packet, and what the server remembers of its sender.
pub(crate) struct Asked {
    pub(crate) packet: Vec<u8>,
    pub(crate) held: Option<Ipv4Addr>,
}

pub(crate) fn read(text: &str) -> Result<Asked> {
    let mut packet = vec![0; 240];
    packet[..3].copy_from_slice(&[1, 1, 6]);
    packet[4..8].copy_from_slice(&[0x11, 0x22, 0x33, 0x44]);
    packet[236..].copy_from_slice(&[99, 130, 83, 99]);
    let mut held = None;
    for line in text.lines().map(|line| line.split('#').next().unwrap_or("").trim()) {
        let Some((key, value)) = line.split_once(' ') else { continue };
        let value = value.trim();
        match key {
            "type" => packet.extend([53, 1, kind(value)?]),
            "mac" => packet[28..34].copy_from_slice(&value.parse::<Mac>()?.0),
            "flags" => packet[10] = 0x80,
            "op" => packet[0] = value.parse()?,
            "hops" => packet[3] = value.parse()?,
            "hlen" => packet[2] = value.parse()?,
            "ciaddr" => packet[12..16].copy_from_slice(&value.parse::<Ipv4Addr>()?.octets()),
            "giaddr" => packet[24..28].copy_from_slice(&value.parse::<Ipv4Addr>()?.octets()),
            "cookie" => packet[236..240].fill(value.parse()?),
            "held" => held = Some(value.parse()?),
            "cut" => packet.truncate(value.parse()?),
            _ => option(&mut packet, key.parse().with_context(|| line.to_owned())?, value)?,
        }
    }
    packet.push(255);
    Ok(Asked { packet, held })
}

fn kind(value: &str) -> Result<u8> {
    Ok(match value {
        "discover" => 1,
        "request" => 3,
        "decline" => 4,
        "release" => 7,
        "inform" => 8,
        number => number.parse()?,
    })
}

fn option(packet: &mut Vec<u8>, code: u8, value: &str) -> Result<()> {
    let bytes = if let Some(text) = value.strip_prefix('"') {
        text.trim_end_matches('"').as_bytes().to_vec()
    } else if let Some(number) = value.strip_suffix('s') {
        number.parse::<u32>()?.to_be_bytes().to_vec()
    } else if let Ok(address) = value.parse::<Ipv4Addr>() {
        address.octets().to_vec()
    } else {
        value.split_whitespace().map(|byte| Ok(byte.parse()?)).collect::<Result<Vec<u8>>>()?
    };
    if bytes.len() > 255 {
        bail!("option {code} is too long");
    }
    packet.extend([code, bytes.len() as u8]);
    packet.extend(bytes);
    Ok(())
}
