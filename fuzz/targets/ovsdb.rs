//! What an OVSDB server sends, in any chunking: framing, messages, updates of the replica.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else { return };
    let _ = ovs::ovsdb::digest(bytes, usize::from(*piece).max(1));
});
