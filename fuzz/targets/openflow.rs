//! What a switch sends: one OpenFlow message. What is understood must encode to something that is
//! understood the same. Only what we put into a bundle is left out: no switch sends it, and the bytes
//! in it are a message of their own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ovs::openflow::codec;

fuzz_target!(|input: &[u8]| {
    let Ok((header, message)) = codec::decode(input) else { return };
    if matches!(message, codec::Message::BundleAdd { .. }) {
        return;
    }
    let mut bytes = Vec::new();
    codec::encode(&message, header.xid, &mut bytes);
    if let Ok((_, again)) = codec::decode(&bytes) {
        assert_eq!(message, again);
    }
});
