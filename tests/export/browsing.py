"""A headless Chromium that is given an exported page, what it does there, and what it says of it.

Nothing is needed beside the browser: a page of the test's own holds the exported one in a frame, acts on it as its user
would, and posts what it saw to the server that both come from.
"""

import contextlib
import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

import pytest

from odtf.targets import web_packages

_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
# Whatever is not on this machine has no address.
_ALONE = ("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",)
_SECONDS = 120


def chromium():
    """Returns the path of Chromium; where there is none the test is skipped, in CI it fails."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found or _missing("no Chromium here: apt-get install chromium")


def _missing(what):
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must run every test: {what}", pytrace=False)
    pytest.skip(what)


def litert_js():
    """Returns a folder with LiteRT.js from npm, fetched once; where it is not to be had, the same."""
    folder = pathlib.Path(tempfile.gettempdir()) / f"odtf-litertjs-{web_packages.LITERT_JS}"
    with contextlib.suppress(Exception):
        web_packages.find_web_library(folder)
        return folder
    if not shutil.which("npm"):
        _missing("no npm here: apt-get install npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
    command.append(f"{web_packages.SCOPE}/core@{web_packages.LITERT_JS}")
    folder.mkdir(exist_ok=True)
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    except (subprocess.SubprocessError, OSError) as error:
        _missing(f"npm does not bring LiteRT.js here: {error}")
    return folder


# Waits for the frame's page, runs the test's steps and posts what they return, or what went wrong.
_DRIVER = """<!DOCTYPE html><meta charset="utf-8"><body style="margin: 0">
<iframe id="page" src="index.html" allow="camera" style="border: 0; width: WIDTHpx; height: 1200px"></iframe>
<script type="module">
const frame = document.getElementById("page");
const post = (found) => fetch("found", {method: "POST", body: JSON.stringify(found)});
const until = async (ready) => {
  for (let i = 0; i < 600 && !ready(); ++i) await new Promise((done) => setTimeout(done, 50));
  if (!ready()) throw new Error(`nothing came of it: ${document_().getElementById("say").textContent}`);
};
const document_ = () => frame.contentDocument;
const at = (id) => document_().getElementById(id);
const text = () => at("answer").innerText;
const answered = (act) => new Promise((done) => {
  document_().addEventListener("answered", (event) => done(event.detail), {once: true});
  act();
});
const choose = (content, name, type) => answered(() => {
  const files = new DataTransfer();
  files.items.add(new File([content], name, {type}));
  at("file").files = files.files;
  at("file").dispatchEvent(new Event("change"));
});
const plain = ({values, pixels}) => ({values: [...values], pixels: [...pixels], text: text()});
try {
  await until(() => document_()?.getElementById("say"));
  STEPS
} catch (error) {
  await post({error: String(error?.stack ?? error)});
}
</script>
"""


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_POST(self):
        self.server.found = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path != "/driver.html":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.server.driver)

    def log_message(self, *_):
        """Tests say nothing."""


def browse(folder, steps, width=1000):
    """Opens a page and does something there.

    Args:
        folder: path of the page's folder.
        steps: JavaScript inside of an async function, which calls `post` with what it found; see `_DRIVER`.
        width: of the page, in CSS pixels.

    Returns:
        (found, asked): what was posted, and the paths that the browser asked for.
    """
    browser = chromium()
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, tempfile.TemporaryDirectory() as profile:
        server.found, server.asked, server.done = None, [], threading.Event()
        server.driver = _DRIVER.replace("STEPS", steps).replace("WIDTH", str(width)).encode()
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/driver.html"
        command = [
            browser,
            *_FLAGS,
            *_CAMERA,
            *_ALONE,
            f"--user-data-dir={profile}",
            address,
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            came = server.done.wait(_SECONDS)
            process.terminate()
        server.shutdown()
        assert came, f"Chromium said nothing in {_SECONDS} s; it asked for {server.asked}"
        assert "error" not in server.found, server.found["error"]
        return server.found, server.asked
