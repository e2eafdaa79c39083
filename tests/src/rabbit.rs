//! A real RabbitMQ in the sandbox, on loopback: start, kill, restart, ask.
//!
//! It keeps its state below the sandbox' temporary folder, so that nothing of it outlives the test. Several may run
//! side by side, each with ports of its own.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::wait;

const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// Ports of the first broker; the next has the next ten.
const AMQP: u16 = 5672;
const AMQPS: u16 = 5671;
const DISTRIBUTION: u16 = 25672;
const MAPPER: u16 = 35672;
/// Booting takes some six seconds of an idle machine.
const BOOT: u64 = 120;

static STARTED: AtomicU16 = AtomicU16::new(0);

/// A broker that ends with this value.
#[derive(Debug)]
pub struct Rabbit {
    folder: PathBuf,
    /// Added to all ports.
    shift: u16,
    mapper: Child,
    server: Option<Child>,
}

impl Rabbit {
    /// A broker with user `guest`, password `guest`, and virtual host `/`.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same, with further lines of configuration; `{folder}` in them is [`Rabbit::folder`] and `{tls}` a free port.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with(configuration: &str) -> Self {
        Self::start_with_plugins(configuration, &[])
    }

    /// The same, with plugins that come with the broker.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with_plugins(configuration: &str, plugins: &[&str]) -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("rabbit-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the broker");
        fs::write(folder.join("enabled_plugins"), format!("[{}].", plugins.join(","))).expect("its plugins");
        Self::start_in(&folder, configuration, number * 10)
    }

    fn start_in(folder: &Path, configuration: &str, shift: u16) -> Self {
        let lines = format!(
            "loopback_users.guest = true\nlisteners.tcp.default = 127.0.0.1:{}\n{}\n",
            AMQP + shift,
            configuration
                .replace("{folder}", &folder.to_string_lossy())
                .replace("{tls}", &(AMQPS + shift).to_string())
        );
        fs::write(folder.join("rabbitmq.conf"), lines).expect("the broker's configuration");
        // Started by the server it would daemonise itself, and stay.
        let mapper = command("epmd", folder, shift)
            .args(["-address", "127.0.0.1", "-port", &(MAPPER + shift).to_string()])
            .spawn()
            .expect("epmd, of the package erlang-base");
        let mut rabbit = Self { folder: folder.to_owned(), shift, mapper, server: None };
        rabbit.boot();
        rabbit
    }

    /// Where to connect, as `transport_url`.
    pub fn url(&self) -> String {
        format!("rabbit://guest:guest@127.0.0.1:{}/", self.port())
    }

    pub fn port(&self) -> u16 {
        AMQP + self.shift
    }

    /// The port for `listeners.ssl.default` in the configuration.
    pub fn tls_port(&self) -> u16 {
        AMQPS + self.shift
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// SIGKILL. What is not durable is lost.
    ///
    /// # Panics
    /// When it does not end.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let group = Pid::from_raw(i32::try_from(server.id()).expect("a process number"));
        killpg(group, Signal::SIGKILL).expect("the broker is ours to kill");
        server.wait().expect("the end of the broker");
        wait::until(30, "end of the broker", || match TcpStream::connect(("127.0.0.1", self.port())) {
            Ok(_) => Err("it still accepts connections"),
            Err(_) => Ok(()),
        });
    }

    /// Starts again after [`Rabbit::kill`], or kills first.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&mut self) {
        self.kill();
        self.boot();
    }

    /// Stops the process without ending it, or lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self, frozen: bool) {
        let server = self.server.as_ref().expect("the broker runs");
        let group = Pid::from_raw(i32::try_from(server.id()).expect("a process number"));
        killpg(group, if frozen { Signal::SIGSTOP } else { Signal::SIGCONT }).expect("the broker is ours");
    }

    /// Runs `rabbitmqctl` with these arguments and returns what it printed. It takes a second or two.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn ctl(&self, arguments: &[&str]) -> String {
        self.try_ctl(arguments).unwrap_or_else(|error| panic!("rabbitmqctl {}: {error}", arguments.join(" ")))
    }

    /// The rows of a table, such as of `list_queues name durable`.
    ///
    /// # Panics
    /// When `rabbitmqctl` fails.
    #[track_caller]
    pub fn table(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        let all: Vec<&str> = arguments
            .iter()
            .copied()
            .chain(["--silent", "--no-table-headers", "--formatter", "table"])
            .collect();
        let mut rows: Vec<Vec<String>> =
            self.ctl(&all).lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
        rows.sort();
        rows
    }

    fn try_ctl(&self, arguments: &[&str]) -> Result<String, String> {
        let output = command(&format!("{PROGRAMS}/rabbitmqctl"), &self.folder, self.shift)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn boot(&mut self) {
        let server = command(&format!("{PROGRAMS}/rabbitmq-server"), &self.folder, self.shift).spawn();
        self.server = Some(server.expect("the broker, of the package rabbitmq-server"));
        let log = self.folder.join("rabbit.log");
        wait::seldom(BOOT, "start of the broker", || {
            if let Some(server) = &mut self.server
                && let Ok(Some(status)) = server.try_wait()
            {
                panic!("the broker ended with {status}: {}", end_of(&log));
            }
            // It listens before it has finished, so it is asked for the greeting that follows the protocol header.
            greeting(AMQP + self.shift).map_err(|error| format!("{error}\n{}", end_of(&log)))
        });
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.kill();
        // It may have ended.
        let _ = self.mapper.kill();
        let _ = self.mapper.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A program of the broker, in an environment of its own. The wrappers below `/usr/sbin` change to another user, who
/// does not exist in a sandbox.
fn command(program: &str, folder: &Path, shift: u16) -> Command {
    let output = || {
        let opened = fs::File::options().create(true).append(true).open(folder.join("output"));
        opened.map_or_else(|_| Stdio::null(), Stdio::from)
    };
    let below = |name: &str| folder.join(name);
    let mut command = Command::new(program);
    command
        .env("HOME", folder)
        .env("RABBITMQ_NODENAME", format!("rabbit{shift}@localhost"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_DIST_PORT", (DISTRIBUTION + shift).to_string())
        .env("RABBITMQ_BASE", folder)
        .env("RABBITMQ_MNESIA_BASE", below("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder)
        .env("RABBITMQ_LOGS", below("rabbit.log"))
        .env("RABBITMQ_PID_FILE", below("pid"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", below("enabled_plugins"))
        .env("RABBITMQ_CONFIG_FILE", below("rabbitmq.conf"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", below("generated"))
        .env("RABBITMQ_FEATURE_FLAGS_FILE", below("feature_flags"))
        .env("ERL_EPMD_PORT", (MAPPER + shift).to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        // No busy waiting: the processors are few and shared.
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
        )
        .stdin(Stdio::null())
        .stdout(output())
        .stderr(output())
        .process_group(0);
    command
}

fn greeting(port: u16) -> std::io::Result<()> {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    stream.write_all(b"AMQP\x00\x00\x09\x01")?;
    stream.read_exact(&mut [0])
}

fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
