# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benchmarks share: the same guest on Konuk and on stock QEMU's TCG, in turns, and a table of
medians with their ratio. Above 1: Konuk does more in the same time."""
import os, pathlib, statistics, subprocess, sys, threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
KONUK = ROOT / "build" / "bin" / "qemu-system-x86_64"
RIVAL = "/usr/bin/qemu-system-x86_64"
SIDES = {"konuk": KONUK, "qemu": RIVAL}


def tool(*command):
    return subprocess.run([ROOT / "tools" / command[0], *map(str, command[1:])], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


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
        self.command, self.lines, self.heard = command, [], threading.Condition()
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
        for line in self.process.stdout:
            with self.heard:
                self.lines.append(line.decode(errors="replace").rstrip())
                self.heard.notify_all()
        with self.heard:
            self.lines.append(None)
            self.heard.notify_all()

    def wait_for(self, word):
        with self.heard:
            self.heard.wait_for(lambda: None in self.lines or any(word in line for line in self.lines if line))
            if not any(word in line for line in self.lines if line):
                self.fail(f"it never said {word}")

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
