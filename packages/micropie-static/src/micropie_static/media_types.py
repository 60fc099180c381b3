"""Media types by the suffix of a file's name."""

import os
import re
from collections.abc import Mapping

from servestatic.media_types import default_types

# What ServeStatic's table, which is nginx's, lacks of today's web, or calls by an old name.
_TYPES = default_types() | {
    ".aac": "audio/aac",
    ".apng": "image/apng",
    ".bmp": "image/bmp",
    ".cjs": "text/javascript",
    ".csv": "text/csv",
    ".cur": "image/x-icon",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".geojson": "application/geo+json",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".gpx": "application/gpx+xml",
    ".gz": "application/gzip",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".ics": "text/calendar",
    ".jsonl": "application/jsonl",
    ".jsonld": "application/ld+json",
    ".log": "text/plain",
    ".m4a": "audio/mp4",
    ".m4s": "video/iso.segment",
    ".map": "application/json",  # source maps (ECMA-426)
    ".mkv": "video/matroska",
    ".mpd": "application/dash+xml",
    ".mvt": "application/vnd.mapbox-vector-tile",
    ".ndjson": "application/x-ndjson",
    ".obj": "model/obj",
    ".oga": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".parquet": "application/vnd.apache.parquet",
    ".pbf": "application/x-protobuf",
    ".stl": "model/stl",
    ".tar": "application/x-tar",
    ".tgz": "application/gzip",
    ".toml": "application/toml",
    ".topojson": "application/json",
    ".tsv": "text/tab-separated-values",
    ".ttc": "font/collection",
    ".ttf": "font/ttf",
    ".usdz": "model/vnd.usdz+zip",
    ".vcf": "text/vcard",
    ".vtt": "text/vtt",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".webmanifest": "application/manifest+json",
    ".wgsl": "text/wgsl",
    ".woff": "font/woff",  # RFC 8081
    ".xsl": "application/xslt+xml",
    ".xslt": "application/xslt+xml",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zst": "application/zstd",
    "apple-app-site-association": "application/json",
}

_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+([ \t]*;[\t\x20-\x7e]*)?", re.ASCII)


def check_types(types: Mapping[str, str]) -> None:
    """Check media types that users add.

    Raises:
        ValueError: one is malformed, or is not for a suffix.
    """
    for suffix, media_type in types.items():
        if not suffix.startswith(".") or not _TYPE.fullmatch(media_type):
            raise ValueError(
                f"types: {suffix!r}: {media_type!r} must be a suffix and a media type, such as "
                "'.xyz': 'chemical/x-xyz'"
            )


def content_type(path: str, charset: str, added: Mapping[str, str]) -> str:
    """Return the Content-Type that a file's name tells; *charset* is the parameter of text.

    Args:
        path: of the file.
        charset: as it is written there.
        added: types by lower-case suffix, before those known; the longest suffix counts.
    """
    name = os.path.basename(path).lower()
    suffixes = [name[at:] for at, character in enumerate(name) if character == "."]
    found = next((t for key in (name, *suffixes) if (t := added.get(key) or _TYPES.get(key))), None)
    if found is None:
        return "application/octet-stream"
    is_bare = found.startswith("text/") and "charset=" not in found.lower()
    return f"{found}; charset={charset}" if is_bare else found
