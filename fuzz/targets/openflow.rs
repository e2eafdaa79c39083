//! What a switch sends: one OpenFlow message. What is understood must encode to something that is
//! understood the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ovs::openflow::codec;

fuzz_target!(|input: &[u8]| {
    let Ok((header, message)) = codec::decode(input) else { return };
    let mut bytes = Vec::new();
    codec::encode(&message, header.xid, &mut bytes);
    if let Ok((_, again)) = codec::decode(&bytes) {
        assert_eq!(message, again);
    }
});
