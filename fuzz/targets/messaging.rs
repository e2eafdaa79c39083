//! What other programs send over the message broker: envelopes, requests, answers, failures in them; and the transport
//! URL of the configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messaging::{Settings, envelope};

fuzz_target!(|input: &[u8]| {
    if let Ok(payload) = envelope::decode(input) {
        let _ = payload.is_reply();
        let _ = payload.clone().reply();
        if let Ok(request) = payload.request() {
            let _ = request.version;
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = Settings::from_url(text);
    }
});
