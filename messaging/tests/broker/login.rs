//! The ways to say who we are.

use messaging::Settings;
use tests::Rabbit;

use crate::peer::{settings, start, up};
use crate::secure::certificates;

/// Brokers that know one way only, each of them told the right one.
#[tokio::test(flavor = "multi_thread")]
async fn the_login_is_the_one_that_is_set() {
    for method in ["PLAIN", "AMQPLAIN"] {
        let rabbit = Rabbit::start_with(&format!("auth_mechanisms.1 = {method}"));
        let mut settings = settings(&rabbit, "login");
        settings.set_option("rabbit_login_method", method).unwrap();
        let (bus, _incoming) = start(settings, vec![]);
        up(&bus);
        bus.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_can_be_the_login() {
    let folder = std::env::temp_dir().join("external");
    certificates(&folder);
    let at = folder.display();
    let rabbit = Rabbit::start_with_plugins(
        &format!(
            "auth_mechanisms.1 = EXTERNAL
ssl_cert_login_from = common_name
listeners.ssl.default = 127.0.0.1:{{tls}}
ssl_options.cacertfile = {at}/ca.pem
ssl_options.certfile = {at}/localhost.pem
ssl_options.keyfile = {at}/localhost.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"
        ),
        &["rabbitmq_auth_mechanism_ssl"],
    );
    rabbit.ctl(&["add_user", "client", "unused"]);
    rabbit.ctl(&["set_permissions", "client", ".*", ".*", ".*"]);
    let file = |name: &str| folder.join(name).display().to_string();
    let (ca, certificate, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let options = [
        ("ssl_ca_file", ca.as_str()),
        ("ssl_cert_file", certificate.as_str()),
        ("ssl_key_file", key.as_str()),
        ("rabbit_login_method", "EXTERNAL"),
    ];
    let url = format!("rabbit://localhost:{}/?ssl=true", rabbit.tls_port());
    let (bus, _incoming) = start(Settings::from_url_and_options(&url, options).unwrap(), vec![]);
    up(&bus);
    bus.close().await;
}
