# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benchmarks share: the same guest on Konuk and on stock QEMU's TCG, in turns, and a table of
medians with their ratio. Above 1: Konuk does more in the same time."""
import os, pathlib, statistics, subprocess, sys, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[1]
KONUK = ROOT / "build" / "bin" / "qemu-system-x86_64"
RIVAL = os.environ.get("RIVAL") or "/usr/bin/qemu-system-x86_64"
SIDES = {"konuk": KONUK, "qemu": RIVAL}


def tool(*command):
    return subprocess.run([ROOT / "tools" / command[0], *map(str, command[1:])], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def cache():
    """Where guests are kept, and their copies are made: on the same file system a copy is cheap."""
    return os.environ.get("KONUK_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "konuk")


def cpu_s(pid):
    """User and system time of all threads (proc(5): fields 14 and 15; the name may hold spaces)."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


class Debian:
    """A copy of the image that tools/guest-debian makes, in folder."""

    def __init__(self, folder, flavour="cloud"):
        self.made = pathlib.Path(tool("guest-debian", flavour))
        self.disk = os.path.join(folder, "disk.raw")
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", self.made / "disk.raw", self.disk], check=True)
        about = dict(line.split("=", 1) for line in (self.made / "about").read_text().splitlines())
        self.append = about["append"]

    def command(self, vmm, vcpus=1, memory="512M"):
        return [str(vmm), "-accel", "tcg", "-M", "q35", "-cpu", "max", "-m", memory, "-smp", str(vcpus),
                "-display", "none", "-nodefaults", "-serial", "stdio", "-no-reboot",
                "-kernel", str(self.made / "vmlinuz"), "-initrd", str(self.made / "initrd.img"),
                "-append", self.append, "-drive", f"file={self.disk},format=raw,if=none,id=disk",
                "-device", "virtio-blk-pci,drive=disk", "-netdev", "user,id=net",
                "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"]


def initramfs(modules, *more):
    """Of the cloud kernel, with modules loaded."""
    words = [word for module in modules for word in ("-m", module)]
    return tool("guest-initramfs", "-k", tool("guest-kernel", "--modules", "cloud"), *words, *more)


def command_of(vmm, initrd, run, vcpus=2, memory="1G", devices=()):
    """A guest that runs a shell command and powers off. Its spaces become +, so it has none of its own."""
    return [str(vmm), "-accel", "tcg", "-M", "q35", "-cpu", "max", "-m", memory, "-smp", str(vcpus),
            "-display", "none", "-nodefaults", "-serial", "stdio", "-no-reboot",
            "-kernel", tool("guest-kernel", "cloud"), "-initrd", initrd,
            "-append", f'console=ttyS0 panic=-1 quiet konuk.run="{run}"', *devices]


class Guest:
    """A running guest, whose lines can be waited for. It is ended with the block that it is used in."""

    def __init__(self, command, seconds=600):
        self.command, self.lines, self.partial, self.heard = command, [], "", threading.Condition()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.watchdog = threading.Timer(seconds, self.process.kill)
        self.watchdog.start()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.reader.join()
        self.process.wait()
        self.watchdog.cancel()

    def read(self):
        while piece := os.read(self.process.stdout.fileno(), 65536):
            with self.heard:
                *lines, self.partial = (self.partial + piece.decode(errors="replace")).split("\n")
                self.lines += [line.rstrip() for line in lines]
                self.heard.notify_all()
        with self.heard:
            self.lines += [self.partial, None]
            self.heard.notify_all()

    def wait_for(self, word):
        """Also in a line that is not ended yet, as a prompt."""
        with self.heard:
            self.heard.wait_for(lambda: None in self.lines or self.has(word))
            if not self.has(word):
                self.fail(f"it never said {word}")

    def has(self, word):
        return word in self.partial or any(word in line for line in self.lines if line)

    def text(self):
        """All that it said, once it has ended."""
        self.reader.join()
        return "\n".join(line for line in self.lines if line is not None)

    def fail(self, why):
        lines = [line for line in self.lines if line is not None]
        sys.exit(f"{self.command[0]}: {why}\n" + "\n".join(lines[-40:]))


def table(title, unit, rows):
    """rows: name: {side: [values]}"""
    print(title)
    for name, sides in rows.items():
        konuk, qemu = (statistics.median(sides[side]) for side in SIDES)
        print(f"{name:24} konuk {konuk:10.0f} {unit}, qemu {qemu:10.0f} {unit}, ratio {konuk / qemu:.2f}",
              flush=True)
