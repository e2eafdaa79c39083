//! Files as operators have them: what of them is taken, and the sentences for the rest.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::error::Error as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tls::{Authorities, Error, File, Identity, Trust};

/// Two authorities `ca` and `other`, each with its key, and files that are neither.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join("files");
    fs::create_dir_all(&folder).unwrap();
    for name in ["ca", "other"] {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=x", "-keyout", &format!("{name}.key"), "-out"])
            .arg(format!("{name}.pem"))
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("cut"), &fs::read(folder.join("ca.pem")).unwrap()[..120]).unwrap();
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(folder.join("nonsense"), nonsense).unwrap();
    let some = fs::read_to_string(folder.join("ca.pem")).unwrap() + nonsense;
    fs::write(folder.join("some"), some).unwrap();
    folder
}

fn sentence(result: Result<tls::ClientConfig, Error>) -> String {
    let error = result.expect_err("not usable");
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_option() {
    let folder = folder();
    let at = folder.display();
    let file = |option, name: &str| File::new(option, folder.join(name));
    let trusting = |name: &str| tls::client(&Trust::Host(Authorities::In(file("ca_option", name))), None);
    assert!(trusting("ca.pem").is_ok());
    assert!(trusting("some").is_ok(), "one authority that is usable is enough");
    for (name, expected) in [
        ("absent", format!("cannot read a certificate from ca_option {at}/absent: I/O error: No such file")),
        ("empty", format!("ca_option {at}/empty holds no certificate")),
        ("ca.key", format!("ca_option {at}/ca.key holds no certificate")),
        ("cut", format!("cannot read a certificate from ca_option {at}/cut: missing section end")),
        ("nonsense", format!("ca_option {at}/nonsense holds no certificate of an authority")),
    ] {
        let found = sentence(trusting(name));
        assert!(found.starts_with(&expected), "{found}");
    }

    let showing = |certificate: &str, key: &str| {
        let identity = Identity { certificate: file("cert", certificate), key: file("key", key) };
        tls::client(&Trust::Anyone, Some(&identity))
    };
    assert!(showing("ca.pem", "ca.key").is_ok());
    for (certificate, key, expected) in [
        ("empty", "ca.key", format!("cert {at}/empty holds no certificate")),
        ("ca.pem", "ca.pem", format!("key {at}/ca.pem holds no private key")),
        ("ca.pem", "absent", format!("cannot read a private key from key {at}/absent: I/O error")),
        ("ca.pem", "other.key", format!("cert {at}/ca.pem and key {at}/other.key cannot be used together: ")),
    ] {
        let found = sentence(showing(certificate, key));
        assert!(found.starts_with(&expected), "{found}");
    }
}

#[test]
fn a_certificate_without_its_key_is_a_mistake() {
    let file = |option| Some(File::new(option, "/x"));
    let names = ["cert", "key"];
    assert_eq!(Identity::of(None, None, names).unwrap(), None);
    assert!(Identity::of(file("cert"), file("key"), names).unwrap().is_some());
    for (certificate, key) in [(file("cert"), None), (None, file("key"))] {
        let error = Identity::of(certificate, key, names).unwrap_err();
        assert_eq!(error.to_string(), "cert and key must be set together");
    }
}
