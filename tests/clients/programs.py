"""VLC, ffmpeg, curl and OctoPrint's snapshot with each kind of credential: see run. Prints a table, and fails if one that the guide
names as working does not."""

import os
import re
import subprocess
import tempfile
import threading
from urllib.parse import quote

URL, TOKEN, PASSWORD = os.environ["URL"], os.environ["VIEWER"], os.environ["PASSWORD"]
HOST = URL.split("/")[2]
LOGIN = f"family:{quote(PASSWORD)}@"
PATIENCE = 40
# What docs/guide/access.md says.
WORKS = {
    ("curl", "Basic"), ("curl", "name in the URL"), ("curl", "Bearer"), ("curl", "?token="),
    ("ffmpeg", "name in the URL"), ("ffmpeg", "Bearer"), ("ffmpeg", "?token="), ("ffmpeg", "RTSP, name in the URL"), ("ffmpeg", "RTSP, ?token="),
    ("VLC", "name in the URL"), ("VLC", "?token="),
    ("OctoPrint", "Basic"), ("OctoPrint", "name in the URL"), ("OctoPrint", "Bearer"), ("OctoPrint", "?token="),
}


def output_of(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    return done.stdout.decode(errors="replace")


def curl(*words):
    status = output_of("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", *words)
    return status == "200", status


def ffmpeg(*words):
    said = output_of("ffmpeg", "-nostdin", "-v", "error", *words, "-frames:v", "10", "-c", "copy", "-f", "framemd5", "-")
    frames = [line for line in said.splitlines() if line.startswith("0,")]
    return len(frames) == 10, said.splitlines()[0] if not frames else "10 frames"


def vlc(url):
    """Writes what it plays to a file, as another user: it does not run as root."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o777)
    words = ["cvlc", "--ignore-config", "--no-audio", "--run-time", "5", "--play-and-exit", url, "vlc://quit",
             "--sout", f"#standard{{access=file,mux=ts,dst={folder}/out.ts}}"]
    words = ["runuser", "-u", "nobody", "--", "env", f"HOME={folder}", *words] if os.getuid() == 0 else words
    said = output_of(*words)
    size = os.path.getsize(f"{folder}/out.ts") if os.path.exists(f"{folder}/out.ts") else 0
    subprocess.run(["rm", "-rf", folder])
    return size > 10_000, f"{size} bytes" if size else said.splitlines()[-1]


class Settings(dict):
    """What OctoPrint's plugin asks its settings for."""

    def get(self, path):
        return self.__getitem__(path[0])

    get_int = get_boolean = get


def octoprint(url, **more):
    """The code that takes snapshots for timelapses."""
    from octoprint.plugins.classicwebcam import ClassicWebcamPlugin
    import logging

    plugin = ClassicWebcamPlugin.__new__(ClassicWebcamPlugin)
    plugin._capture_mutex, plugin._logger = threading.Lock(), logging.getLogger("octoprint")
    plugin._settings = Settings({"snapshot": url, "snapshotAuth": "none", "snapshotTimeout": 20, "snapshotSslValidation": True, **more})
    try:
        picture = b"".join(plugin.take_webcam_snapshot(None))
    except Exception as error:
        return False, str(error).split(" for url")[0]
    return picture[:2] == b"\xff\xd8", f"{len(picture)} bytes"


def version(*words, pattern=r"(\d+\.\d+[.\d]*)"):
    return re.search(pattern, output_of(*words))[1]


def main():
    at = lambda path, login="": f"http://{login}{HOST}/{path}"
    snapshot, stream, token = at("snapshot.jpg"), at("stream.mp4"), f"token={TOKEN}"
    basic, bearer = {"snapshotUsername": "family", "snapshotPassword": PASSWORD}, ["-H", f"Authorization: Bearer {TOKEN}"]
    rtsp = lambda login="", query="": f"rtsp://{login}{HOST}/live/front{query}"
    attempts = {
        ("curl", "Basic"): lambda: curl("-u", f"family:{PASSWORD}", snapshot),
        ("curl", "name in the URL"): lambda: curl(at("snapshot.jpg", LOGIN)),
        ("curl", "Bearer"): lambda: curl(*bearer, snapshot),
        ("curl", "?token="): lambda: curl(f"{snapshot}?{token}"),
        ("curl", "Digest"): lambda: curl("--digest", "-u", f"family:{PASSWORD}", snapshot),
        ("ffmpeg", "name in the URL"): lambda: ffmpeg("-i", at("stream.mp4", LOGIN)),
        ("ffmpeg", "Bearer"): lambda: ffmpeg("-headers", f"Authorization: Bearer {TOKEN}\r\n", "-i", stream),
        ("ffmpeg", "?token="): lambda: ffmpeg("-i", f"{stream}?{token}"),
        ("ffmpeg", "RTSP, name in the URL"): lambda: ffmpeg("-rtsp_transport", "tcp", "-i", rtsp(LOGIN)),
        ("ffmpeg", "RTSP, ?token="): lambda: ffmpeg("-rtsp_transport", "tcp", "-i", rtsp(query=f"?{token}")),
        ("VLC", "name in the URL"): lambda: vlc(at("stream.mp4", LOGIN)),
        ("VLC", "?token="): lambda: vlc(f"{stream}?{token}"),
        ("VLC", "RTSP, ?token="): lambda: vlc(rtsp(query=f"?{token}")),
        ("VLC", "nothing"): lambda: vlc(stream),
        ("OctoPrint", "Basic"): lambda: octoprint(snapshot, snapshotAuth="basic", **basic),
        ("OctoPrint", "name in the URL"): lambda: octoprint(at("snapshot.jpg", LOGIN)),
        ("OctoPrint", "Bearer"): lambda: octoprint(snapshot, snapshotAuth="bearer", snapshotBearerToken=TOKEN),
        ("OctoPrint", "?token="): lambda: octoprint(at(f"?action=snapshot&{token}")),
        ("OctoPrint", "Digest"): lambda: octoprint(snapshot, snapshotAuth="digest", **basic),
    }
    from importlib.metadata import version as package

    versions = {"curl": version("curl", "--version"), "ffmpeg": version("ffmpeg", "-version"), "OctoPrint": package("OctoPrint"),
                "VLC": version("env", "HOME=/tmp", "dpkg-query", "-W", "-f", "${Version}", "vlc-bin")}
    wrong = []
    print("| program | credential | works | seen |\n|---|---|---|---|")
    for (program, way), attempt in attempts.items():
        try:
            is_right, seen = attempt()
        except subprocess.TimeoutExpired:
            is_right, seen = False, f"nothing in {PATIENCE} s"
        seen = seen.replace(TOKEN, "TOKEN").replace(PASSWORD, "PASSWORD")[:100]
        print(f"| {program} {versions[program]} | {way} | {'yes' if is_right else 'no'} | {seen} |", flush=True)
        if is_right != ((program, way) in WORKS):
            wrong.append(f"{program}, {way}")
    if wrong:
        raise SystemExit(f"not as the guide says: {'; '.join(wrong)}")


main()
