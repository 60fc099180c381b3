"""Media types by the suffix of a file's name."""

import os
import re
from collections.abc import Mapping

from servestatic.media_types import default_types

# What ServeStatic's table, which is nginx's, lacks of today's web, or calls by an old name. In the
# form of nginx's: a type, and the suffixes and names that have it.
_ADDED = """
audio/aac .aac; image/apng .apng; image/bmp .bmp; text/javascript .cjs; text/csv .csv;
image/x-icon .cur; application/epub+zip .epub; audio/flac .flac; application/geo+json .geojson;
model/gltf-binary .glb; model/gltf+json .gltf; application/gpx+xml .gpx;
application/gzip .gz .tgz; image/heic .heic; image/heif .heif; text/calendar .ics;
application/jsonl .jsonl; application/ld+json .jsonld; text/plain .log; audio/mp4 .m4a;
video/iso.segment .m4s; application/json .map .topojson apple-app-site-association;
video/matroska .mkv; application/dash+xml .mpd; application/vnd.mapbox-vector-tile .mvt;
application/x-ndjson .ndjson; model/obj .obj; audio/ogg .oga .opus; video/ogg .ogv;
font/otf .otf; application/vnd.apache.parquet .parquet; application/x-protobuf .pbf;
model/stl .stl; application/x-tar .tar; application/toml .toml; text/tab-separated-values .tsv;
font/collection .ttc; font/ttf .ttf; model/vnd.usdz+zip .usdz; text/vcard .vcf; text/vtt .vtt;
audio/wav .wav; audio/webm .weba; application/manifest+json .webmanifest; text/wgsl .wgsl;
font/woff .woff; application/xslt+xml .xsl .xslt; application/x-xz .xz;
application/yaml .yaml .yml; application/zstd .zst
"""
_ROWS = map(str.split, _ADDED.split(";"))
_TYPES = default_types() | {name: media_type for media_type, *names in _ROWS for name in names}

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
