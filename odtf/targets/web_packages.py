"""The packages of npm that a web page runs a file with, as `npm install` lays them out: nothing is fetched here."""

from odtf import paths
from odtf.errors import UserError

# npm's newest on 27 November 2026. LiteRT.js takes any file and any tensor; MediaPipe's tasks for the web know answers
# of their own kinds alone.
LITERT_JS = "2.5.3"
SCOPE = "@litertjs"
INSTALL = f"npm install {SCOPE}/core@{LITERT_JS}"

# Of 40 MB in all what a page on one thread asks for; of the two variants, its browser runs one.
NEEDED = {
    "core": ("package.json",),
    "core/dist": ("index.js",),
    "core/wasm": tuple(
        f"litert_wasm_{variant}internal.{suffix}" for variant in ("", "compat_") for suffix in ("js", "wasm")
    ),
    "wasm-utils": ("package.json",),
    "wasm-utils/dist": ("index.js",),
}


def find_web_library(folder):
    """Returns the folder of the packages, `pathlib.Path` of `@litertjs`.

    Args:
        folder: path where `npm install @litertjs/core` was run, its `node_modules`, or `@litertjs` in that.

    Raises:
        UserError: if the packages are not there.
    """
    for inner in (("node_modules", SCOPE), (SCOPE,), ()):
        place = paths.local(folder, "The library of a web page").joinpath(*inner)
        if all((place / part / name).is_file() for part, names in NEEDED.items() for name in names):
            return place
    raise UserError(
        f"The library of a web page is a folder in which `{INSTALL}` was run. Received: {folder}, without it."
    )
