# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with a login on its serial port, for tests that type there as a person would."""
import os, re, select, shutil, subprocess, time
from linux import STOCK

PROMPT = "konuk-prompt# "
# What a terminal would take for itself: colours, cursor moves, bracketed paste.
CONTROLS = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>78c])|\r")


class Late(Exception):
    pass


class Console:
    """A process whose standard input and output are the serial port. `text` is all that was said, and
    `at` is up to where it has been looked at."""

    def __init__(self, command):
        self.text, self.at = "", 0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def read_some(self, deadline):
        if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
            raise Late("it fell silent")
        piece = os.read(self.process.stdout.fileno(), 65536)
        if not piece:
            raise Late("it ended")
        self.text += CONTROLS.sub("", piece.decode("latin1"))

    def wait_for(self, words, seconds):
        """What was said before the words, since the last time."""
        deadline = time.monotonic() + seconds
        try:
            while (found := self.text.find(words, self.at)) < 0:
                self.read_some(deadline)
        except Late as late:
            raise Late(f"waiting for {words!r}, {late}") from None
        before, self.at = self.text[self.at:found], found + len(words)
        return before

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\r")
        self.process.stdin.flush()

    def log_in(self, user, password, seconds):
        self.wait_for("login: ", seconds)
        self.type(user)
        self.wait_for("Password: ", 60)
        self.type(password)
        self.wait_for("# ", 60)
        # Halved, so that its echo isn't taken for it.
        self.type("PS1=konuk-'prompt# '; export TERM=dumb PAGER=cat; stty -echo; dmesg -n 1")
        self.wait_for(PROMPT, 60)

    def run(self, command, seconds=120):
        """What it prints, and its status."""
        self.type(command + "; echo konuk-status=$?")
        said = self.wait_for(PROMPT, seconds)
        before, _, status = said.rpartition("konuk-status=")
        return before.strip(), int(status)

    def end(self, seconds):
        """Exit status, when it has ended by itself."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.read_some(deadline)
        except Late:
            pass
        try:
            return self.process.wait(max(1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None


def about(folder):
    return dict(line.split("=", 1) for line in (folder / "about").read_text().splitlines())


def drive(path):
    return f"file={path},format=raw,if=virtio,discard=unmap"


def copy(image, path):
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", image, path], check=True)


def debian(vmm, folder, disk, vcpus, memory):
    """The command of a guest from an image of tools/guest-debian; disk is a copy of its own."""
    accel = ["-accel", "tcg", "-cpu", "max"] if vmm == STOCK else []
    return [vmm, *accel, "-M", "q35", "-m", memory, "-smp", vcpus, "-display", "none", "-nodefaults", "-serial", "stdio",
            "-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd.img"),
            "-append", about(folder)["append"], "-drive", drive(disk),
            "-nic", "user,model=virtio-net-pci", "-device", "virtio-rng-pci"]


class Checks:
    """Says what is wrong and goes on."""

    def __init__(self, name):
        self.name, self.wrong = name, []

    def check(self, good, what):
        if not good:
            self.wrong.append(what)
            print(f"WRONG {self.name}: {what}", flush=True)


def check_disk(disk, checks):
    program = shutil.which("e2fsck", path="/usr/sbin:/sbin:" + os.environ.get("PATH", ""))
    done = subprocess.run([program, "-fn", disk], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    checks.check(done.returncode == 0, f"e2fsck: {done.stdout}")
