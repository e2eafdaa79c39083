//! TLS, with an authority of our own.

use std::path::Path;
use std::process::Command;

use messaging::{Bus, LinkState, Settings};
use serde_json::json;
use tests::Rabbit;

use crate::peer::{listen, next, request, start, until_link, up};

/// An authority, a broker's certificate for `localhost`, and a client's, below a folder.
pub(crate) fn certificates(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let script = "
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
            -keyout ca.key -out ca.pem
        for name in localhost client other; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
            printf 'subjectAltName=DNS:%s\\n' $name > $name.ext
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.pem
        done";
    let output = Command::new("sh").arg("-ec").arg(script).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn settings(rabbit: &Rabbit, host: &str, options: &[(&str, &str)]) -> Settings {
    let folder = rabbit.folder().parent().unwrap().join("certificates");
    let url = format!("rabbit://guest:guest@{host}:{}/?ssl=true", rabbit.tls_port());
    let files: Vec<(&str, String)> = options
        .iter()
        .map(|(name, value)| match name.ends_with("_file") {
            true => (*name, folder.join(value).display().to_string()),
            false => (*name, (*value).to_owned()),
        })
        .collect();
    Settings::from_url_and_options(&url, files.iter().map(|(name, value)| (*name, value.as_str()))).unwrap()
}

fn refused(bus: &Bus) -> String {
    let link =
        until_link(bus, "a complaint", |link| matches!(&link.state, LinkState::Connecting { why: Some(_) }));
    format!("{:?}", link.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified_as_far_as_set() {
    let folder = std::env::temp_dir().join("certificates");
    certificates(&folder);
    let at = folder.display();
    let rabbit = Rabbit::start_with(&format!(
        "listeners.ssl.default = 127.0.0.1:{{tls}}
ssl_options.cacertfile = {at}/ca.pem
ssl_options.certfile = {at}/localhost.pem
ssl_options.keyfile = {at}/localhost.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"
    ));
    let client = [("ssl_cert_file", "client.pem"), ("ssl_key_file", "client.key")];
    let with = |more: &[(&'static str, &'static str)]| [&client[..], more].concat();

    // Encrypted, whoever it is; verified; verified but for the name.
    for (host, options) in [
        ("127.0.0.1", with(&[])),
        ("localhost", with(&[("ssl_ca_file", "ca.pem")])),
        ("127.0.0.1", with(&[("ssl_ca_file", "ca.pem"), ("ssl_enforce_hostname_verification", "false")])),
    ] {
        let settings = settings(&rabbit, host, &options);
        let (bus, mut incoming) = start(settings, vec![listen("secure.t")]);
        up(&bus);
        bus.cast(request("secure.t", "greet", json!({}))).await.unwrap();
        assert_eq!(next(&mut incoming).await.method, "greet", "{options:?}");
        bus.close().await;
    }

    for (host, options, words) in [
        ("127.0.0.1", with(&[("ssl_ca_file", "ca.pem")]), "certificate"),
        ("localhost", with(&[("ssl_ca_file", "other.pem")]), "certificate"),
        ("localhost", with(&[("ssl_ca_file", "absent.pem")]), "ssl_ca_file"),
        ("localhost", vec![("ssl_ca_file", "ca.pem")], "ssl"),
        ("localhost", vec![("ssl_cert_file", "client.pem")], "ssl_key_file"),
    ] {
        let (bus, _incoming) = start(settings(&rabbit, host, &options), vec![]);
        let why = refused(&bus);
        assert!(why.contains(words), "{options:?}: {why}");
        bus.close().await;
    }
}
