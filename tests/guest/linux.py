# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of this folder share: Debian's kernel in a guest that is driven by its serial port
and by QMP, and what to think of what it says."""
import json, os, pathlib, re, socket, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "system"))
from guests import OURS, STOCK, Count, own_mounts, run  # noqa: F401 (the tests have them from here)

SECONDS = 180
HERE = ROOT / "tests" / "guest"
COMPLAINTS = re.compile(
    r"^konuk\.warning=|WARNING|BUG:|Oops|Call Trace|ACPI (?:BIOS )?(?:Error|Warning|Exception)|"
    r"\[Firmware (?:Bug|Warn)\]|unstable|rcu: INFO|rcu_\w+ detected|self-?test.*fail|soft lockup|"
    r"hard LOCKUP|calibration failed|skewed|MP-BIOS bug|timer doesn't work|unchecked MSR|"
    r"x86/fpu: .*mismatch|spurious|failed to (?:bring|boot)|do_IRQ|No irq handler|"
    r"general protection|page fault|stack segment|invalid opcode|[Tt]imed out|hung|segfault|"
    r"inconsistent|Vulnerable|Kernel panic")
# Said when a vCPU's thread got no CPU of the host's for a while (less than a second).
STARVED = re.compile(r"hrtimer: interrupt took \d{1,9} ns|hpet: Lost \d{1,2} RTC interrupts")
# Two warnings of a machine without PCI, which stock QEMU's always has.
NO_PCI = {"konuk.warning=PCI: Fatal: No config space access function found",
          "konuk.warning=PCI: System does not support PCI"}
REPORT = "sh /bin/report"


def tool(*command):
    return subprocess.run([ROOT / "tools" / command[0], *command[1:]], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def initramfs(*more):
    """With the scripts that the guests of these tests run."""
    scripts = [word for name in ("report", "work") for word in ("-f", f"{HERE / name}.sh:/bin/{name}")]
    return tool("guest-initramfs", *scripts, *more)


def arguments(run=REPORT, flavour="cloud", vcpus=1, memory="512M", words="", initrd=None):
    """Of a Linux guest that runs a command and powers off."""
    return ["-M", "q35", "-m", memory, "-smp", str(vcpus), "-kernel", tool("guest-kernel", flavour),
            "-initrd", initrd or initramfs(), "-append",
            f'console=ttyS0 panic=-1 {words} konuk.run="{run}"']


class Late(Exception):
    pass


class Guest:
    """A process with a guest. `text` is what the serial port and the process said, `events` are QMP's."""

    def __init__(self, arguments, vmm=OURS, qmp=False):
        self.text, self.events, self.read = "", [], threading.Condition()
        self.folder = tempfile.TemporaryDirectory()
        command = [vmm, *(["-accel", "tcg", "-cpu", "max"] if vmm == STOCK else []), "-display", "none",
                   "-nodefaults", "-serial", "stdio", *arguments]
        path = os.path.join(self.folder.name, "qmp")
        if qmp:
            command += ["-qmp", f"unix:{path},server=on,wait=off"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.collect, daemon=True)
        self.reader.start()
        self.stream = self.connect(path) if qmp else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.folder.cleanup()

    def collect(self):
        while piece := os.read(self.process.stdout.fileno(), 65536):
            with self.read:
                self.text += piece.decode("latin1").replace("\r", "")
                self.read.notify_all()

    def wait_for(self, words, seconds=SECONDS, start=0):
        """Where in `text` the words end; they are looked for from start on."""
        deadline = time.monotonic() + seconds
        with self.read:
            while (at := self.text.find(words, start)) < 0:
                left = deadline - time.monotonic()
                if left < 0 or not self.reader.is_alive():
                    raise Late(f"did not say {words!r} within {seconds} s")
                self.read.wait(min(left, 1))
            return at + len(words)

    def wait_bytes(self, count, seconds=SECONDS):
        """Until it has said that much."""
        with self.read:
            if not self.read.wait_for(lambda: len(self.text) >= count, seconds):
                raise Late(f"said less than {count} bytes within {seconds} s")

    def end(self, seconds=SECONDS):
        """Exit status, or None if it did not end."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.reader.join()
        return status

    def connect(self, path):
        deadline, self.socket = time.monotonic() + SECONDS, socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise Late("QMP did not answer: " + self.text)
                time.sleep(0.05)
        self.stream = self.socket.makefile("rwb", buffering=0)
        self.message()
        self.qmp("qmp_capabilities")
        return self.stream

    def message(self):
        line = self.stream.readline()
        if not line:
            raise Late("QMP ended")
        message = json.loads(line)
        if "event" in message:
            self.events.append(message["event"])
        return message

    def qmp(self, command, **arguments):
        """What it returns; an error is an exception."""
        request = {"execute": command, "arguments": arguments} if arguments else {"execute": command}
        try:
            self.stream.write(json.dumps(request).encode() + b"\n")
        except OSError:
            raise Late(f"{command}: it has ended") from None
        while True:
            message = self.message()
            if "error" in message:
                raise Late(f"{command}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]

    def wait_event(self, name):
        while name not in self.events:
            self.message()
        self.events.remove(name)

    def status(self):
        return self.qmp("query-status")["status"]


def plain(line):
    """Without what differs from boot to boot: times and numbers."""
    return re.sub(r"0x[0-9a-f]+|\d+", "N", re.sub(r"\[ *\d+\.\d+\] ", "", line.strip()))


def complaints(text):
    lines = (plain(line) for line in text.splitlines() if not STARVED.search(line))
    return {line for line in lines if COMPLAINTS.search(line)} - NO_PCI


def value(text, name):
    """What the guest's report says of name."""
    found = re.search(rf"^konuk\.{name}=(.*)$", text, re.M)
    return found[1] if found else None


def show(text, lines=30):
    print(*("    | " + line for line in text.splitlines()[-lines:]), sep="\n", flush=True)
