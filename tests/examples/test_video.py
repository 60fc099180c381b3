"""The video is sent by ranges, and plays from the middle."""

from support.examples import EXAMPLES, loaded, phone, served, visiting

app = loaded("video")
server = served("video")

VIDEO = (EXAMPLES / "video" / "videos" / "apple-pie.mp4").read_bytes()


def test_a_part_is_answered_with_that_part(app):
    with visiting(app) as visitor:
        answer = visitor.get("/video/apple-pie.mp4", headers={"Range": "bytes=1000-1999"})
        assert answer.status_code == 206
        assert answer.headers["Content-Range"] == f"bytes 1000-1999/{len(VIDEO)}"
        assert answer.content == VIDEO[1000:2000]
        whole = visitor.get("/video/apple-pie.mp4")
        assert (whole.headers["Content-Type"], whole.content) == ("video/mp4", VIDEO)


def test_other_files_are_out_of_reach(server):
    assert server.get("/video/..%2Fapp.py").status == 404


def test_a_browser_plays_from_where_the_viewer_jumps(server):
    with phone() as open_page:
        video = open_page(server.url).locator("video")
        position = video.evaluate(
            "video => new Promise((resolve, reject) => {"
            "  video.onerror = () => reject(video.error.message);"
            "  video.onseeked = () => resolve(video.currentTime / video.duration);"
            "  video.muted = true;"
            "  video.play().then(() => { video.currentTime = video.duration / 2; });"
            "})"
        )
        assert 0.45 < position < 0.75
