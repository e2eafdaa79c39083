//! TCP and TLS to a real server, with certificates made by openssl and by Open vSwitch's own tool.

use std::path::{Path, PathBuf};
use std::process::Command;

use ovs::ovsdb::{Client, Error, Remote, Settings, TlsFiles};

use crate::server::{Server, add_bridge, settings};

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

/// A key and a certificate for it, signed by the authority in the folder.
fn identity(folder: &Path, authority: &str, name: &str) -> TlsFiles {
    let [key, request, certificate] = ["key", "req", "crt"].map(|end| format!("{name}.{end}"));
    let [ca, ca_key] = ["crt", "key"].map(|end| format!("{authority}.{end}"));
    let subject = format!("/CN={name}");
    #[rustfmt::skip]
    run(folder, "openssl", &["req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &request, "-subj", &subject]);
    std::fs::write(folder.join("v3"), "basicConstraints=CA:FALSE\n").expect("the extensions");
    #[rustfmt::skip]
    run(folder, "openssl", &["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial",
        "-days", "2", "-extfile", "v3", "-out", &certificate]);
    TlsFiles {
        private_key: folder.join(key),
        certificate: folder.join(certificate),
        ca_certificate: folder.join(ca),
    }
}

fn authority(folder: &Path, name: &str) {
    let subject = format!("/CN={name}");
    #[rustfmt::skip]
    run(folder, "openssl", &["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &subject,
        "-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]);
}

fn server_options(port: u16, files: &TlsFiles) -> Vec<String> {
    vec![
        format!("--remote=pssl:{port}:127.0.0.1"),
        format!("--private-key={}", files.private_key.display()),
        format!("--certificate={}", files.certificate.display()),
        format!("--ca-cert={}", files.ca_certificate.display()),
    ]
}

fn with_files(port: u16, files: Option<TlsFiles>) -> Settings {
    let remote: Remote = format!("ssl:127.0.0.1:{port}").parse().expect("a remote");
    Settings { tls: files, ..settings(remote) }
}

async fn works(settings: Settings) {
    let (client, _events) = Client::connect(settings).await.expect("a connection");
    client.transact(add_bridge("br0")).await.expect("a bridge");
    assert!(client.replica().find("Bridge", "name", "br0").is_some());
}

async fn refused(settings: Settings) -> String {
    format!("{:#}", anyhow::Error::new(Client::connect(settings).await.expect_err("refused")))
}

#[tokio::test]
async fn tcp() {
    let options = vec!["--remote=ptcp:16640:127.0.0.1".into(), "--remote=ptcp:16640:[::1]".into()];
    let _server = Server::with(|_| options).await;
    works(settings("tcp:127.0.0.1:16640".parse().expect("a remote"))).await;
    let (client, _events) =
        Client::connect(settings("tcp:[::1]:16640".parse().expect("a remote"))).await.expect("IPv6");
    assert!(client.replica().find("Bridge", "name", "br0").is_some());
    let text = refused(settings("tcp:127.0.0.1:16649".parse().expect("a remote"))).await;
    assert!(text.starts_with("connecting to tcp:127.0.0.1:16649: Connection refused"), "{text}");
}

#[tokio::test]
async fn tls_with_certificates_of_a_common_authority() {
    let mut made = None;
    let _server = Server::with(|folder| {
        authority(folder, "ca");
        authority(folder, "stranger");
        let server = identity(folder, "ca", "server");
        let options = server_options(16642, &server);
        made = Some((identity(folder, "ca", "client"), identity(folder, "stranger", "impostor"), server));
        options
    })
    .await;
    let (client, impostor, server) = made.expect("made");
    works(with_files(16642, Some(client.clone()))).await;

    let text = refused(with_files(16642, None)).await;
    assert_eq!(
        text,
        "preparing TLS for ssl:127.0.0.1:16642: \
         an ssl: remote needs a private key, a certificate and a CA certificate"
    );
    // The server's authority is not ours.
    let text = refused(with_files(16642, Some(impostor.clone()))).await;
    assert!(text.starts_with("connecting to ssl:127.0.0.1:16642: invalid peer certificate"), "{text}");
    // Our authority is not the server's.
    let foreign = TlsFiles { ca_certificate: client.ca_certificate.clone(), ..impostor };
    let error = Client::connect(with_files(16642, Some(foreign))).await.expect_err("refused");
    assert!(matches!(&*error, Error::Connect { .. } | Error::Read(_) | Error::Write(_)), "{error:?}");
    // A key that belongs to another certificate, and files that are not what they should be.
    let mixed = TlsFiles { private_key: server.private_key, ..client.clone() };
    let text = refused(with_files(16642, Some(mixed))).await;
    assert!(text.contains("cannot be used together"), "{text}");
    let missing = TlsFiles { certificate: PathBuf::from("/nowhere/cert.pem"), ..client.clone() };
    let text = refused(with_files(16642, Some(missing))).await;
    assert!(text.contains("cannot read a certificate from ssl_cert_file /nowhere/cert.pem"), "{text}");
    let swapped = TlsFiles { private_key: client.certificate.clone(), ..client.clone() };
    let text = refused(with_files(16642, Some(swapped))).await;
    assert!(text.contains("client.crt holds no private key"), "{text}");
    let swapped = TlsFiles { ca_certificate: client.private_key.clone(), ..client };
    let text = refused(with_files(16642, Some(swapped))).await;
    assert!(text.contains("client.key holds no certificate"), "{text}");
}

#[tokio::test]
async fn tls_with_certificates_of_ovs_pki() {
    let mut made = None;
    let _server = Server::with(|folder| {
        let pki = format!("--dir={}", folder.join("pki").display());
        let log = format!("--log={}", folder.join("log").display());
        run(folder, "ovs-pki", &["init", &pki, &log, "--force"]);
        run(folder, "ovs-pki", &["req+sign", "server", "switch", &pki, &log]);
        run(folder, "ovs-pki", &["req+sign", "client", "controller", &pki, &log]);
        let files = |name: &str, authority: &str| TlsFiles {
            private_key: folder.join(format!("{name}-privkey.pem")),
            certificate: folder.join(format!("{name}-cert.pem")),
            ca_certificate: folder.join(format!("pki/{authority}/cacert.pem")),
        };
        made = Some(files("client", "switchca"));
        server_options(16643, &files("server", "controllerca"))
    })
    .await;
    works(with_files(16643, made)).await;
}

#[tokio::test]
async fn a_plain_server_behind_an_ssl_remote_is_no_riddle() {
    let mut made = None;
    let _server = Server::with(|folder| {
        authority(folder, "ca");
        made = Some(identity(folder, "ca", "client"));
        vec!["--remote=ptcp:16644:127.0.0.1".into()]
    })
    .await;
    let quick = Settings { connect_timeout: std::time::Duration::from_secs(2), ..with_files(16644, made) };
    let text = refused(quick).await;
    assert!(text.starts_with("connecting to ssl:127.0.0.1:16644"), "{text}");
}
