//! Cookies: whose flow it is. From the top: one byte that says that the flow is ours, one byte for the
//! feature that made it, six bytes of a hash over the object that it was made for.
//!
//! Neutron draws a random cookie per process and bridge, so that every restart rewrites every flow.
//! Ours are a function of the object: a restart finds its flows as they should be and sends nothing,
//! and a flow of an object that is gone is found by its cookie, whatever table it is in.

use std::fmt;

use model::ObjectRef;
use sha1::{Digest, Sha1};

/// The top byte of every cookie of ours.
const OURS: u64 = 0xba << 56;
const TOP_BYTE: u64 = 0xff << 56;
const OBJECT: u64 = (1 << 48) - 1;

/// The part of the pipeline that a flow belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Feature {
    /// What every packet meets.
    Base = 1,
    /// Provider VLANs.
    Provider = 2,
    /// Tunnel keys, tunnel ports, flooding.
    Tunnel = 3,
    /// Known remote MACs.
    Population = 4,
    /// Answers to ARP.
    Responder = 5,
    /// Anti-spoofing.
    SpoofGuard = 6,
    /// Ports that must not send.
    DeadPort = 7,
    /// Made by the switch itself out of a learn action; it comes and goes without us. It has the highest
    /// bit to itself, so that a dump can leave the learnt flows out.
    Learnt = 0x80,
}

/// The hash of an object: what all its cookies have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectHash(u64);

impl ObjectHash {
    pub fn of(object: ObjectRef) -> Self {
        let digest = Sha1::digest(object.to_string().as_bytes());
        let six = digest.iter().take(6).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Self(six)
    }
}

impl fmt::Debug for ObjectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// The cookie of a feature's flows for an object.
pub fn cookie(feature: Feature, object: ObjectRef) -> u64 {
    OURS | (feature as u64) << 48 | ObjectHash::of(object).0
}

/// Selects, by cookie and mask, every flow of ours but the learnt ones.
pub const FILTER: (u64, u64) = (OURS, TOP_BYTE | (Feature::Learnt as u64) << 48);

/// Whether a flow with this cookie is one of ours, learnt ones among them.
pub fn is_ours(cookie: u64) -> bool {
    cookie >> 56 == OURS >> 56
}

/// Whether a flow belongs to a feature.
pub fn is_of(cookie: u64, feature: Feature) -> bool {
    cookie >> 48 == OURS >> 48 | feature as u64
}

/// The object that a flow with this cookie was made for; `None` when the flow is foreign, or when the
/// switch made it from a learn action and will take it away by itself.
pub fn owner(cookie: u64) -> Option<ObjectHash> {
    let (value, mask) = FILTER;
    (cookie & mask == value).then_some(ObjectHash(cookie & OBJECT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_leads_back_to_its_object() {
        let object = ObjectRef::Network("24d0a689-81b3-4c1e-9f10-3c2b5a4e6d7f".parse().unwrap());
        assert_eq!(owner(cookie(Feature::Tunnel, object)), Some(ObjectHash::of(object)));
        assert_ne!(ObjectHash::of(object), ObjectHash::of(ObjectRef::Node));
    }

    #[test]
    fn cookies_do_not_change_between_versions() {
        assert_eq!(format!("{:016x}", cookie(Feature::Base, ObjectRef::Node)), "ba01f8e966d1e207");
    }

    #[test]
    fn foreign_and_learnt_flows_have_no_owner() {
        assert_eq!(owner(0), None);
        assert_eq!(owner(0xbb01_0000_0000_0000), None);
        assert_eq!(owner(cookie(Feature::Learnt, ObjectRef::Node)), None);
    }
}
