"""Options, and what Static can't serve."""

import pytest

from micropie_static import Static


def test_a_root_that_is_no_folder_is_refused_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; create it"):
        Static(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is not a folder"):
        Static(tmp_path / "file")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_age": -1}, "max_age"),
        ({"max_age": "60"}, "max_age"),
        ({"index": ""}, "index"),
        ({"index": "a/b"}, "index"),
        ({"headers": {"X": "a\r\nb"}}, "headers"),
        ({"headers": {"X Y": "a"}}, "headers"),
        ({"headers": {"X": "日本"}}, "headers"),
        ({"headers": {"ETag": '"1"'}}, "'ETag' is made from the file"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(root, options, told):
    with pytest.raises(ValueError, match=told):
        Static(root, **options)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"paths": []}', "\xff"])
def test_a_broken_manifest_is_refused(root, text):
    (root / "staticfiles.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match="is not a manifest"):
        Static(root)
