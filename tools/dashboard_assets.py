"""Take the dashboard's released assets from npm, at pinned versions, and refuse any other file.

    python tools/dashboard_assets.py

writes what stands in `ASSETS` again; it is run by whoever raises a version, never when Alula is built
or used.
"""

import io
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "src/alula/web/_dashboard/static/vendor"
BROWSER = ROOT / "tests/web/dashboard/vendor"

# Package with its version, the file in it, where that goes, and its SHA-256 in hexadecimal.
ASSETS = (
    (
        "htmx.org@2.0.11",
        "dist/htmx.min.js",
        STATIC / "htmx.min.js",
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    ),
    (
        "htmx.org@2.0.11",
        "LICENSE",
        STATIC / "htmx.LICENSE.txt",
        "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
    ),
    (
        "htmx-ext-sse@2.2.4",
        "dist/sse.min.js",
        STATIC / "htmx-sse.min.js",
        "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136",
    ),
    (
        "htmx-ext-sse@2.2.4",
        "LICENSE",
        STATIC / "htmx-sse.LICENSE.txt",
        "a17d224ce9afdc21ec9491b76a2f5d036d19aa641ac4f85ca29c21f9f7e54fdf",
    ),
    (
        "idiomorph@0.8.0",
        "dist/idiomorph-ext.min.js",
        STATIC / "idiomorph-ext.min.js",
        "5811b9a7eda14878b7dab4378bf60432e1bb6f11fcfb970cc26540642650181e",
    ),
    (
        "idiomorph@0.8.0",
        "LICENSE",
        STATIC / "idiomorph.LICENSE.txt",
        "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
    ),
    (
        "uplot@1.6.32",
        "dist/uPlot.iife.min.js",
        STATIC / "uplot.min.js",
        "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    ),
    (
        "uplot@1.6.32",
        "dist/uPlot.min.css",
        STATIC / "uplot.min.css",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
    (
        "uplot@1.6.32",
        "LICENSE",
        STATIC / "uplot.LICENSE.txt",
        "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    ),
    (
        "axe-core@4.14.1",
        "axe.min.js",
        BROWSER / "axe.min.js",
        "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
    ),
    (
        "axe-core@4.14.1",
        "LICENSE",
        BROWSER / "axe.LICENSE.txt",
        "af175b9d96ee93c21a036152e1b905b0b95304d4ae8c2c921c7609100ba8df7e",
    ),
)


def packed(package: str, folder: Path) -> tarfile.TarFile:
    """Have npm fetch a released package; give its files."""
    done = subprocess.run(
        ["npm", "pack", "--silent", package], cwd=folder, capture_output=True, text=True, check=True
    )
    return tarfile.open(fileobj=io.BytesIO((folder / done.stdout.split()[-1]).read_bytes()))


def main() -> int:
    """Write each asset; give 1 if one is not the known file, and write none of that package then."""
    wrong = 0
    with TemporaryDirectory() as folder:
        packages = {name: packed(name, Path(folder)) for name, *_ in ASSETS}
    for package, name, path, expected in ASSETS:
        file = packages[package].extractfile(f"package/{name}")
        assert file is not None, f"{package} has no {name}"
        content = file.read()
        found = sha256(content).hexdigest()
        if found != expected:
            print(f"{package} {name}: SHA-256 is {found}, not {expected}", file=sys.stderr)
            wrong = 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
