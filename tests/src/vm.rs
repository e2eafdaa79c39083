//! A guest that is a real machine: Debian's kernel and busybox in qemu, on a tap in `br-int`.
//!
//! The files come from `scripts/guest-image`; what the guest does at boot is in `scripts/guest-init`.

use crate::{Node, wait};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[derive(Debug)]
pub struct Vm<'n> {
    node: &'n Node,
    name: String,
    /// The device that is a port of `br-int`.
    pub tap: String,
}

static MARK: AtomicU32 = AtomicU32::new(0);

impl<'n> Vm<'n> {
    /// Plugs a tap for the port and starts the machine. Returns at once; see [`Self::await_word`].
    #[track_caller]
    #[must_use]
    pub fn start(node: &'n Node, name: &str, port: &str, mac: &str) -> Self {
        let vm = Self { node, name: name.to_owned(), tap: format!("tap{}", &port[..11]) };
        let tap = &vm.tap;
        node.sh(&format!(
            "mkdir -p {folder}; ip tuntap add {tap} mode tap; ip link set {tap} up
             ovs-vsctl add-port br-int {tap} -- set Interface {tap} external_ids:iface-id={port} \
                external_ids:iface-status=active external_ids:attached-mac={mac} external_ids:vm-uuid={name}",
            folder = vm.folder()
        ));
        node.sh(&format!("{} > /dev/null", vm.qemu(tap, mac)));
        vm
    }

    /// Waits for a line on the serial console: `booted`, `lease`, `ready`. Gives the line.
    #[track_caller]
    pub fn await_word(&self, seconds: u64, word: &str) -> String {
        wait::until(seconds, &format!("{} says {word}", self.name), || {
            let console = self.console();
            let line = console
                .lines()
                .find(|line| line.starts_with("GUEST") && line.split(' ').nth(2) == Some(word));
            line.map(str::to_owned).ok_or(console)
        })
    }

    /// The whole lines that the machine has written to its serial console.
    #[must_use]
    pub fn console(&self) -> String {
        let path = self.node.path(&format!("{}/console", self.folder()));
        let text = std::fs::read_to_string(path).unwrap_or_default().replace('\r', "");
        let end = text.rfind('\n').map_or(0, |newline| newline + 1);
        text[..end].to_owned()
    }

    /// Runs a shell command in the machine, which must be `ready`.
    ///
    /// # Errors
    /// The output and the status of a command that failed.
    pub fn try_sh(&self, command: &str) -> Result<String, String> {
        self.converse(command).map_err(|error| error.to_string())?
    }

    #[track_caller]
    pub fn sh(&self, command: &str) -> String {
        self.try_sh(command)
            .unwrap_or_else(|said| panic!("in {}: {command}\n{said}\n{}", self.name, self.console()))
    }

    #[track_caller]
    pub fn await_ping(&self, address: &str) {
        let what = format!("{} pings {address}", self.name);
        wait::until(20, &what, || self.try_sh(&format!("ping -c 1 -W 2 {address}")));
    }

    /// One line in, output lines and a status out, over the virtio console.
    fn converse(&self, command: &str) -> std::io::Result<Result<String, String>> {
        let mark = format!("mark{}", MARK.fetch_add(1, Ordering::Relaxed));
        let mut stream = UnixStream::connect(self.node.path(&format!("{}/shell", self.folder())))?;
        stream.set_read_timeout(Some(Duration::from_secs(60) * wait::patience()))?;
        writeln!(stream, "{mark} {command}")?;
        let mut output = String::new();
        for line in BufReader::new(stream).lines() {
            let line = line?;
            match line.trim_end().strip_prefix(&mark) {
                Some(" 0") => return Ok(Ok(output.trim_end().to_owned())),
                Some(status) => return Ok(Err(format!("status{status}: {output}"))),
                None => output = output + line.trim_end() + "\n",
            }
        }
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }

    /// The machine is switched off and its tap taken away.
    pub fn end(self) {
        self.node.sh(&format!(
            "kill -KILL $(cat {folder}/pid); ovs-vsctl --if-exists del-port br-int {tap}
             until ip link delete {tap}; do busybox usleep 20000; done 2> /dev/null",
            folder = self.folder(),
            tap = self.tap
        ));
    }

    fn folder(&self) -> String {
        format!("/run/vm/{}", self.name)
    }

    fn qemu(&self, tap: &str, mac: &str) -> String {
        let (name, folder, images) = (&self.name, self.folder(), images());
        let images = images.display();
        let accelerator = std::fs::read_to_string(format!("{images}/accelerator")).unwrap_or_default();
        let accelerator = match accelerator.lines().next() {
            Some("kvm") => "kvm",
            _ => "tcg,thread=multi,tb-size=32",
        };
        // The userspace datapath reads a tap by a packet socket and would pass unfinished checksums on.
        let plain = "csum=off,gso=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off,\
                     guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off";
        format!(
            "qemu-system-x86_64 -name {name} -M pc -accel {accelerator} -cpu max -smp 1 -m 96 \
             -nodefaults -no-user-config -display none -no-reboot \
             -kernel {images}/kernel/vmlinuz -initrd {images}/guest.cpio.gz \
             -append 'console=ttyS0 quiet loglevel=1 no_timer_check mitigations=off nokaslr panic=-1 guest.name={name}' \
             -chardev file,id=serial,path={folder}/console -serial chardev:serial \
             -chardev socket,id=shell,path={folder}/shell,server=on,wait=off -device virtio-serial-pci \
             -device virtconsole,chardev=shell \
             -netdev tap,id=net,ifname={tap},script=no,downscript=no \
             -device virtio-net-pci,netdev=net,mac={mac},romfile=,{plain} \
             -pidfile {folder}/pid -daemonize"
        )
    }
}

/// `.cache` of the checkout, filled by `scripts/guest-image`.
fn images() -> PathBuf {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache");
    assert!(cache.join("guest.cpio.gz").exists(), "there is no guest image: run scripts/guest-image first");
    cache
}
