"""What bench/nats and bench/nats-lines share: viewers, and what processes use."""
import base64, os, resource, socket, statistics, struct, subprocess, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Viewer:
    """A viewer over WebSocket, which notes when each frame was there."""

    def __init__(self, host, port, is_measured=True):
        self.socket = socket.create_connection((host, port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /video_websocket HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        self.buffer, self.is_open, self.is_measured = b"", False, is_measured
        self.frames, self.seen = 0, {}

    def read(self):
        data = self.socket.recv(1 << 18)
        now = time.monotonic()
        if not data:
            raise SystemExit("a viewer was closed")
        self.buffer += data
        if not self.is_open:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            if not rest and b"\r\n\r\n" not in self.buffer:
                return
            assert b" 101 " in head, head
            self.buffer, self.is_open = rest, True
        while len(self.buffer) >= 2:
            length, begin = self.buffer[1] & 127, 2
            if length == 126 and len(self.buffer) >= 4:
                length, begin = struct.unpack(">H", self.buffer[2:4])[0], 4
            elif length == 127 and len(self.buffer) >= 10:
                length, begin = struct.unpack(">Q", self.buffer[2:10])[0], 10
            elif length >= 126:
                return
            if len(self.buffer) < begin + length:
                return
            message = self.buffer[begin:begin + length]
            if self.buffer[0] & 15 == 2 and message[4:8] == b"moof":
                self.frames += 1
                if self.is_measured:
                    self.seen[struct.unpack(">I", message[20:24])[0]] = now
            self.buffer = self.buffer[begin + length:]

    def forget(self):
        self.frames = 0
        self.seen.clear()


class Children:
    """Programs that end with the block."""

    def __enter__(self):
        self.all = []
        return self

    def __exit__(self, *_):
        for child in self.all:
            child.kill()
            child.wait()

    def start(self, *command):
        child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.all.append(child)
        return child


def cpu_s(process):
    """Seconds of CPU of all its threads."""
    folder = f"/proc/{process.pid}/task"
    return sum(int(Path(folder, thread, "schedstat").read_text().split()[0]) for thread in os.listdir(folder)) / 1e9


def rss_kb(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def quantiles(values):
    """Median, 99 % and the largest."""
    values = sorted(values)
    return statistics.median(values), values[min(len(values) - 1, int(len(values) * .99))], values[-1]


def allow_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
