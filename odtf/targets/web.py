"""A web page, which runs the file of a phone inside the browser of a computer or a phone."""

import dataclasses

from odtf.targets import phone

TARGET = dataclasses.replace(
    phone.TARGET,
    name="web",
    title="a web browser, with LiteRT.js",
    snippet="web",
    page=True,
    # The file is the phone's; MediaPipe has its say there.
    proofs=("kernels",),
)
