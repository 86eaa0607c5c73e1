# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the command line and of QMP share: both programs, and a guest of a few bytes."""
import os, pathlib, shutil, struct, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = str(ROOT / "build" / "bin" / "qemu-system-x86_64")
STOCK = shutil.which("qemu-system-x86_64", path="/usr/local/bin:/usr/bin:/bin")
ENTRY = 0x100000


def kernel(code):
    """An ELF64 file with a PVH note (type 18, "Xen") whose 32-bit entry is code."""
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", ENTRY)
    text_at, note_at = 0x1000, 0x100
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, ENTRY, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 7, text_at, ENTRY, ENTRY, len(code), 4096, 4096)
    notes = struct.pack("<IIQQQQQQ", 4, 4, note_at, 0, 0, len(note), len(note), 4)
    image = bytearray(text_at + len(code))
    image[0:64] = header
    image[64:64 + 112] = load + notes
    image[note_at:note_at + len(note)] = note
    image[text_at:] = code
    return bytes(image)


SLEEP = kernel(b"\xfa\xf4\xeb\xfd")  # cli; 1: hlt; jmp 1b
SPIN = kernel(b"\xeb\xfe")
TRIPLE_FAULT = kernel(b"\x0f\x01\x1d\0\0\x10\0\x0f\x0b")  # lidt of what is no table; ud2
DEBUG_EXIT = kernel(b"\x66\xba\x01\x05\xb0\x2a\xee\xf4")  # out 0x501, 42
RESET = kernel(b"\x66\xba\xf9\x0c\xb0\x06\xee\xf4")  # out 0xcf9, 6
HELLO = kernel(b"".join(b"\x66\xba\xf8\x03\xb0" + bytes([c]) + b"\xee" for c in b"hello\n") + DEBUG_EXIT[0x1000:])


def run(program, arguments, seconds=20, text=None):
    """Exit status (None: it was still running) and what it said."""
    process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE if text else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(text, seconds)
        return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return None, out.decode(errors="replace"), err.decode(errors="replace")


def own_mounts():
    """Starts the test again in a mount namespace of its own, where it may mount. There, returns."""
    if "KONUK_OWN_MOUNTS" in os.environ:
        # Fails in a chroot, whose / is no mount.
        subprocess.run(["mount", "--make-rprivate", "/"], stderr=subprocess.DEVNULL)
        return
    how = ["--mount"] if os.getuid() == 0 else ["--map-root-user", "--mount"]
    os.environ["KONUK_OWN_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", *how, "--propagation", "unchanged", sys.executable, *sys.argv])


class Count:
    """Counts cases and says which fail."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, good, what):
        self.passed += bool(good)
        self.failed += not good
        if not good:
            print(f"FAILED: {what}", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
