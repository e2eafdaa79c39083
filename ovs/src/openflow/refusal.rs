//! Errors that the switch answers with, by the names that the specification and Open vSwitch give them.
//! An error that has no name here is still an error, with its numbers.
//!
//! Source: OpenFlow 1.4.0, section 7.5.4; `ovs-vswitchd`'s error numbers of Nicira (type 65535).

use std::fmt;

use bytes::BufMut;

use super::codec::DecodeError;

/// The type of an error that a vendor has defined.
const EXPERIMENTER: u16 = 0xffff;
const NICIRA: u32 = 0x0000_2320;

/// The switch refused a message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the switch answered {}", Name(self))]
pub struct OfError {
    /// The type; 65535 for one of a vendor.
    pub kind: u16,
    /// The code, in the type or the vendor's numbering.
    pub code: u16,
    /// The vendor, 0x2320 for Nicira, when the type is 65535.
    pub vendor: u32,
    /// Usually the beginning of the message that was refused; after a failed hello, text.
    pub data: Vec<u8>,
}

impl OfError {
    /// The name, such as `OFPBAC_BAD_OUT_PORT`, if it has one here.
    pub fn name(&self) -> Option<&'static str> {
        if self.kind == EXPERIMENTER && self.vendor != NICIRA {
            return None;
        }
        let codes = TYPES.iter().find(|(kind, _)| *kind == self.kind).map(|(_, codes)| *codes)?;
        codes.iter().find(|(code, _)| *code == self.code).map(|(_, name)| *name)
    }

    /// What a failed hello says, if it says anything.
    pub(crate) fn text(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.data).chars().filter(|c| !c.is_control()).collect();
        text.trim().to_owned()
    }

    pub(crate) fn is_failed_hello(&self) -> bool {
        self.kind == HELLO_FAILED
    }

    pub(crate) fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let short = DecodeError::Short { part: "error" };
        let (head, data) = body.split_first_chunk::<4>().ok_or(short.clone())?;
        let [kind_high, kind_low, code_high, code_low] = *head;
        let kind = u16::from_be_bytes([kind_high, kind_low]);
        let code = u16::from_be_bytes([code_high, code_low]);
        let (vendor, data) = if kind == EXPERIMENTER {
            let (vendor, data) = data.split_first_chunk().ok_or(short)?;
            (u32::from_be_bytes(*vendor), data)
        } else {
            (0, data)
        };
        Ok(Self { kind, code, vendor, data: data.to_vec() })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.put_u16(self.kind);
        out.put_u16(self.code);
        if self.kind == EXPERIMENTER {
            out.put_u32(self.vendor);
        }
        out.extend_from_slice(&self.data);
    }
}

struct Name<'a>(&'a OfError);

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OfError { kind, code, .. } = self.0;
        match self.0.name() {
            Some(name) => out.write_str(name),
            None => write!(out, "error type {kind} code {code}"),
        }
    }
}

type Codes = &'static [(u16, &'static str)];

const HELLO_FAILED: u16 = 0;

const TYPES: &[(u16, Codes)] = &[
    (HELLO_FAILED, &[(0, "OFPHFC_INCOMPATIBLE"), (1, "OFPHFC_EPERM")]),
    (
        1,
        &[
            (0, "OFPBRC_BAD_VERSION"),
            (1, "OFPBRC_BAD_TYPE"),
            (2, "OFPBRC_BAD_MULTIPART"),
            (3, "OFPBRC_BAD_EXPERIMENTER"),
            (4, "OFPBRC_BAD_EXP_TYPE"),
            (5, "OFPBRC_EPERM"),
            (6, "OFPBRC_BAD_LEN"),
            (7, "OFPBRC_BUFFER_EMPTY"),
            (8, "OFPBRC_BUFFER_UNKNOWN"),
            (9, "OFPBRC_BAD_TABLE_ID"),
            (10, "OFPBRC_IS_SLAVE"),
            (11, "OFPBRC_BAD_PORT"),
            (12, "OFPBRC_BAD_PACKET"),
            (13, "OFPBRC_MULTIPART_BUFFER_OVERFLOW"),
            (14, "OFPBRC_MULTIPART_REQUEST_TIMEOUT"),
            (15, "OFPBRC_MULTIPART_REPLY_TIMEOUT"),
        ],
    ),
    (
        2,
        &[
            (0, "OFPBAC_BAD_TYPE"),
            (1, "OFPBAC_BAD_LEN"),
            (2, "OFPBAC_BAD_EXPERIMENTER"),
            (3, "OFPBAC_BAD_EXP_TYPE"),
            (4, "OFPBAC_BAD_OUT_PORT"),
            (5, "OFPBAC_BAD_ARGUMENT"),
            (6, "OFPBAC_EPERM"),
            (7, "OFPBAC_TOO_MANY"),
            (8, "OFPBAC_BAD_QUEUE"),
            (9, "OFPBAC_BAD_OUT_GROUP"),
            (10, "OFPBAC_MATCH_INCONSISTENT"),
            (11, "OFPBAC_UNSUPPORTED_ORDER"),
            (12, "OFPBAC_BAD_TAG"),
            (13, "OFPBAC_BAD_SET_TYPE"),
            (14, "OFPBAC_BAD_SET_LEN"),
            (15, "OFPBAC_BAD_SET_ARGUMENT"),
        ],
    ),
    (
        3,
        &[
            (0, "OFPBIC_UNKNOWN_INST"),
            (1, "OFPBIC_UNSUP_INST"),
            (2, "OFPBIC_BAD_TABLE_ID"),
            (3, "OFPBIC_UNSUP_METADATA"),
            (4, "OFPBIC_UNSUP_METADATA_MASK"),
            (5, "OFPBIC_BAD_EXPERIMENTER"),
            (6, "OFPBIC_BAD_EXP_TYPE"),
            (7, "OFPBIC_BAD_LEN"),
            (8, "OFPBIC_EPERM"),
            (9, "OFPBIC_DUP_INST"),
        ],
    ),
    (
        4,
        &[
            (0, "OFPBMC_BAD_TYPE"),
            (1, "OFPBMC_BAD_LEN"),
            (2, "OFPBMC_BAD_TAG"),
            (3, "OFPBMC_BAD_DL_ADDR_MASK"),
            (4, "OFPBMC_BAD_NW_ADDR_MASK"),
            (5, "OFPBMC_BAD_WILDCARDS"),
            (6, "OFPBMC_BAD_FIELD"),
            (7, "OFPBMC_BAD_VALUE"),
            (8, "OFPBMC_BAD_MASK"),
            (9, "OFPBMC_BAD_PREREQ"),
            (10, "OFPBMC_DUP_FIELD"),
            (11, "OFPBMC_EPERM"),
        ],
    ),
    (
        5,
        &[
            (0, "OFPFMFC_UNKNOWN"),
            (1, "OFPFMFC_TABLE_FULL"),
            (2, "OFPFMFC_BAD_TABLE_ID"),
            (3, "OFPFMFC_OVERLAP"),
            (4, "OFPFMFC_EPERM"),
            (5, "OFPFMFC_BAD_TIMEOUT"),
            (6, "OFPFMFC_BAD_COMMAND"),
            (7, "OFPFMFC_BAD_FLAGS"),
        ],
    ),
    (
        17,
        &[
            (0, "OFPBFC_UNKNOWN"),
            (1, "OFPBFC_EPERM"),
            (2, "OFPBFC_BAD_ID"),
            (3, "OFPBFC_BUNDLE_EXIST"),
            (4, "OFPBFC_BUNDLE_CLOSED"),
            (5, "OFPBFC_OUT_OF_BUNDLES"),
            (6, "OFPBFC_BAD_TYPE"),
            (7, "OFPBFC_BAD_FLAGS"),
            (8, "OFPBFC_MSG_BAD_LEN"),
            (9, "OFPBFC_MSG_BAD_XID"),
            (10, "OFPBFC_MSG_UNSUP"),
            (11, "OFPBFC_MSG_CONFLICT"),
            (12, "OFPBFC_MSG_TOO_MANY"),
            (13, "OFPBFC_MSG_FAILED"),
            (14, "OFPBFC_TIMEOUT"),
            (15, "OFPBFC_BUNDLE_IN_PROGRESS"),
        ],
    ),
    (
        EXPERIMENTER,
        &[
            (2, "NXBRC_NXM_INVALID"),
            (3, "NXBRC_NXM_BAD_TYPE"),
            (4, "NXBRC_MUST_BE_ZERO"),
            (5, "NXBRC_BAD_REASON"),
            (10, "NXBRC_UNENCODABLE_ERROR"),
            (11, "NXBAC_MUST_BE_ZERO"),
            (12, "NXFMFC_HARDWARE"),
            (13, "NXFMFC_BAD_TABLE_ID"),
            (15, "NXBAC_BAD_CONJUNCTION"),
            (37, "NXFMFC_INVALID_TLV_FIELD"),
            (39, "NXBAC_BAD_HEADER_TYPE"),
            (42, "NXBAC_CT_DATAPATH_SUPPORT"),
            (43, "NXBMC_CT_DATAPATH_SUPPORT"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_names() {
        let refused = OfError::read(&[0, 2, 0, 4, 1, 2, 3]).unwrap();
        assert_eq!(refused.to_string(), "the switch answered OFPBAC_BAD_OUT_PORT");
        assert_eq!(refused.data, [1, 2, 3]);
        let vendor = OfError::read(&[0xff, 0xff, 0, 15, 0, 0, 0x23, 0x20, 9]).unwrap();
        assert_eq!((vendor.name(), vendor.vendor), (Some("NXBAC_BAD_CONJUNCTION"), 0x2320));
        let strange = OfError::read(&[0, 77, 0, 1]).unwrap();
        assert_eq!(strange.to_string(), "the switch answered error type 77 code 1");
        assert!(OfError::read(&[0, 1, 0]).is_err());
    }
}
