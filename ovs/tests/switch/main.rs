//! The domain against the real Open vSwitch, from outside: `ovs-vsctl` and `ovs-ofctl` say what there is.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test ends where it goes wrong

mod engine;
mod life;
mod load;
mod node;
mod ports;
mod roles;
mod succession;
mod trouble;
mod will;

/// Compares with a golden file; `UPDATE_GOLDEN=1` writes it.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/switch/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("write the golden file");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == text, "{} differs (UPDATE_GOLDEN=1 rewrites it); it is now:\n{text}", path.display());
}
