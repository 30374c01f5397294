#!/usr/bin/env python3
"""nad_report: the page opens in a browser without an error and draws every chart; names are text and nothing else; its
size and time with 1,000 classes; one clear line for bad input. The browser's part needs chromium (scripts/deps)."""
import html
import json
import re
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
import zlib
from pathlib import Path

import h5py
import numpy as np

from cli_tools import PROGRAM
from page_cases import HOSTILE, add_findings, write_analysis, write_results

REPORT = PROGRAM.with_name("nad_report")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CLASSES = 10
REMARKS = ["of <b>whoever</b> asked", "left out: much"]


def report(*args):
    return subprocess.run([str(REPORT), *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=300)


def payload(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def png(path, width, height, description, rng=None):
    """As nad_explain writes them: an iTXt chunk with what the picture shows. With rng noise, which does not shrink."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = rng.integers(0, 256, (height, 1 + 3 * width), dtype=np.uint8) if rng else np.full((height, 1 + 3 * width), 99, np.uint8)
    rows[:, 0] = 0
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"iTXt", b"Description\0\0\0\0\0" + description.encode()) +
                     chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)) + chunk(b"IEND", b""))
    return path


def pictures(page):
    return json.loads(re.search(r'<script type="application/json" id="pictures">(.*?)</script>', page, re.S)[1])


def matrix(classes):
    return np.linspace(0, 1, classes * classes).reshape(classes, classes)


def findings_of(classes):
    """A little of everything that has a figure of its own, and an analysis that nobody has thought of yet."""
    layers = ["gate%d" % g for g in range(4)]
    rise = np.linspace(0.2, 0.8, 4)
    index = {"classes": np.arange(classes), "image_classes": np.arange(classes)}

    def add(network):
        add_findings(network, "transfer", "false alarms", arrays={"transfer": matrix(classes), **index})
        add_findings(network, "fig4_hit_rate", "hit rate", table={"layer": layers, "hit_rate": rise, "swap": rise / 2})
        add_findings(network, "object_masks", "on the object", {"mask_share": 0.2}, table={
            "layer": layers, "inside": rise, "inside_low": rise - 0.1, "inside_high": rise + 0.1, "maps": np.full(4, 40),
            "map": ["8 x 8"] * 4, "mask_share": np.full(4, 0.2), "original": rise / 2, "swap": rise / 3, "other_mask": rise / 4})
        add_findings(network, "random_masks", "random masks", {"mean_balanced_accuracy": 0.9, "p": 0.01},
                     arrays={"random": np.random.default_rng(1).uniform(0.4, 0.6, (classes, 30))})
        add_findings(network, "size_sweep", "sizes",
                     table={"q": np.linspace(0.1, 1, 10), "own": np.linspace(0, 1, 10),
                            "false_alarms": np.linspace(0, 1, 10)})
        add_findings(network, "claims", "claims", table={
            "claim": ["falls_with_depth", "specific"], "p": np.array([0.01, 0.4]), "shown": np.array([1, 0]),
            "sentence": ["<b>similarity</b> falls (p 0.01)", "not shown: sub-architectures are specific (p 0.4)"]})
        add_findings(network, "of_tomorrow", "an <i>analysis</i> of tomorrow",
                     table={"layer": layers, "value": rise, "value_low": rise - 0.1, "value_high": rise + 0.1})
    return add


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not REPORT.exists():
            raise RuntimeError("%s does not exist: build it and set NAD_RUN" % REPORT)
        cls.dir = Path(tempfile.mkdtemp(prefix="nad_page_"))
        cls.results = write_results(cls.dir / "r.h5", CLASSES, (8, 16, 16, 24), lambda c: HOSTILE[c % len(HOSTILE)],
                                    lambda c: 10 * c)
        cls.analysis = write_analysis(cls.dir / "a.h5", CLASSES, findings_of(CLASSES))
        cls.page = cls.dir / "page.html"
        done = report("--note", REMARKS[0], "--note", REMARKS[1], cls.results, cls.analysis, "-o", cls.page, "--title",
                      "<script>alert(3)</script>{{payload}}")
        assert done.returncode == 0, done.stderr
        cls.text = cls.page.read_text()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)


class File(Page):
    def test_nothing_of_the_files_is_markup(self):
        for part in ("<script>alert", "<img", "\u2028"):
            self.assertFalse(part in self.text, part)
        self.assertTrue("<title>&lt;script&gt;alert(3)&lt;/script&gt;{{payload}}</title>" in self.text)
        data = re.search(r'id="data">(.*?)</script>', self.text, re.S)[1]
        self.assertTrue(data.isascii())
        self.assertIsNone(re.search("[<>&]", data))
        self.assertEqual(payload(self.text)["networks"][0]["classes"]["name"][:5], HOSTILE)

    def test_needs_nothing_beside_itself(self):
        own = re.sub(r"<script>\n/\*!\n \* Chart\.js.*?</script>", "", self.text, flags=re.S)
        self.assertLess(len(own), len(self.text))
        own = re.sub(r'(id="data">).*?</script>', r"\1</script>", own, flags=re.S)
        self.assertEqual(re.findall(r"\bsrc=|@import|https?://|<link\b", own), [])
        for part in ("default-src 'none'", "Chart.js v", "Released under the MIT License"):
            self.assertTrue(part in self.text, part)

    def test_the_file_tells_what_was_found(self):
        self.assertEqual(payload(self.text)["remarks"], REMARKS)
        network = payload(self.text)["networks"][0]
        names = {f["name"]: f for f in network["analyses"]}
        self.assertEqual(network["label"], "resnet50_released")
        self.assertLess({"fig2_accuracy", "fig4_similarity", "transfer", "of_tomorrow"}, set(names))
        self.assertEqual(names["fig2_accuracy"]["facts"]["constant_answers"], 4)  # false alarms of 60 to 90 %
        self.assertIn("weights file and val images", names["table1_mistakes"]["missing"])
        self.assertEqual(names["transfer"]["arrays"]["transfer"]["shape"], [CLASSES, CLASSES])

    def test_findings_of_other_masks_are_a_network_of_their_own(self):
        page = self.dir / "masks.html"
        masks = payload(self.text)["networks"][0]["facts"]["masks_hash"]
        for said, count in ((masks, 1), ("of other masks", 2)):
            def add(network):
                network.attrs["masks_hash"] = said
                add_findings(network, "of_tomorrow", "tomorrow")
            done = report(write_analysis(self.dir / "masks.h5", CLASSES, add), self.results, "-o", page)
            self.assertEqual(done.returncode, 0, done.stderr)
            networks = payload(page.read_text())["networks"]
            self.assertEqual(len(networks), count)
            self.assertEqual("of_tomorrow" in {f["name"] for f in networks[0]["analyses"]}, count == 1)
            self.assertEqual("made from other sub-architectures" in done.stderr, count == 2, done.stderr)

    def test_pictures_as_far_as_there_is_room(self):
        folder, page, rng = self.dir / "large", self.dir / "large.html", np.random.default_rng(3)
        folder.mkdir()
        for i in range(4):
            png(folder / ("%d.png" % i), 1100, 1000, "picture %d" % i, rng)
        done = report(self.results, folder, "-o", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = pictures(page.read_text())
        self.assertEqual(([p["name"] for p in found["pictures"]], found["left_out"]), (["0.png", "1.png", "2.png"], 1))
        self.assertIn("1 picture is left out", done.stderr)
        self.assertLess(page.stat().st_size, 15e6)

    def test_an_earlier_page_is_replaced(self):
        page = self.dir / "earlier.html"
        for title in ("first", "second"):
            done = report(self.results, "-o", page, "--title", title)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("<title>%s</title>" % title, page.read_text())

    def test_bad_input(self):
        other = self.dir / "text.h5"
        other.write_text("no HDF5")
        empty = self.dir / "empty"
        empty.mkdir()
        cut = png(self.dir / "cut.png", 9, 9, "cut")
        cut.write_bytes(cut.read_bytes()[:-5])
        unknown = self.dir / "unknown.h5"
        h5py.File(unknown, "w").close()
        cases = [([], 2, "FILES"), ([self.results], 2, "--out"), ([self.dir / "none.h5", "-o", self.dir / "p"], 3, "none.h5"),
                 ([other, "-o", self.dir / "p"], 3, "text.h5"),
                 ([unknown, "-o", self.dir / "p"], 3, "neither of results nor of analyses"),
                 ([self.results, empty, "-o", self.dir / "p"], 3, "holds no picture"),
                 ([self.results, cut, "-o", self.dir / "p"], 3, "no whole PNG file"),
                 ([cut, "-o", cut], 2, "would replace"),
                 ([self.results, "-o", self.results], 2, "would replace"),
                 ([self.results, "-o", other], 2, "exists and is no HTML page"),
                 ([self.results, "-o", self.analysis], 2, "exists and is no HTML page"),
                 ([self.results, "-o", self.dir / "no" / "p"], 2, "a folder that does not exist"),
                 ([self.results, "-o", self.dir / "p", "--bogus"], 2, "--bogus")]
        for args, code, part in cases:
            with self.subTest(args=list(map(str, args))):
                done = report(*args)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertTrue(done.stderr.startswith("nad_report: "), done.stderr)
                self.assertIn(part, done.stderr)
                self.assertFalse((self.dir / "p").exists())
                self.assertEqual(other.read_text(), "no HDF5")


@unittest.skipUnless(BROWSER, "chromium is not installed: scripts/deps installs it")
class Browser(Page):
    def open(self, page, fragment="selftest", size=(1280, 900)):
        """The document as the browser leaves it. Fails where the browser's console says anything."""
        done = subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=%s" % (self.dir / "profile"),
             "--window-size=%d,%d" % size, "--virtual-time-budget=20000", "--enable-logging=stderr", "--dump-dom",
             "file://%s#%s" % (page, fragment)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180)
        said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        self.assertEqual(said, [])
        root = dict(re.findall(r'data-([\w-]+)="([^"]*)"', re.search(r"<html[^>]*>", done.stdout)[0]))
        self.assertEqual((root.get("ready"), root.get("errors")), ("1", "0"), root)
        return done.stdout, root

    def rows(self, document):
        body = re.search(r'id="classes".*?<tbody>(.*?)</tbody>', document, re.S)[1]
        return [[html.unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)]
                for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S)]

    def test_every_chart_has_ink(self):
        for size in ((1280, 900), (500, 900)):
            document, root = self.open(self.page, size=size)
            self.assertEqual(root["charts-drawn"], root["charts-expected"])
            # plane, Fig. 2, both rows of Fig. 4, transfer, random masks, sizes, objects, similarity, of_tomorrow, flow, channels
            self.assertEqual(root["charts-drawn"], "12")
        for part in ("&lt;script&gt;alert(3)", "An &lt;i&gt;analysis&lt;/i&gt; of tomorrow", ">Of tomorrow<",
                     "6 of 10 sub-architectures answer their class and not most others; 4 are constant answers."):
            self.assertTrue(part in document, part)
        self.assertEqual((document.count('data-shown="true"'), document.count('data-shown="false"')), (1, 4))
        self.assertTrue("<q>&lt;b&gt;similarity&lt;/b&gt; falls.</q>" in document)

    def test_the_table_is_searched_and_sorted(self):
        document, root = self.open(self.page, "q=")
        rows = self.rows(document)
        self.assertEqual([row[0] for row in rows], [str(c) for c in range(CLASSES)])
        self.assertIn("<script>alert(1)</script>", rows[0][1])
        document, root = self.open(self.page, "q=goldfish&sort=-false_alarms")
        self.assertEqual((root["table-rows"], root["table-sort"]), ("2", "-false_alarms"))
        self.assertEqual([row[0] for row in self.rows(document)], ["9", "4"])
        document, root = self.open(self.page, "q=no+such+class")
        self.assertEqual(root["table-rows"], "0")

    def test_pointer_and_keys(self):
        """A pointer over the transfer matrix names the classes; typing searches; a click on a heading sorts."""
        acts = """
          const root = document.documentElement.dataset, at = (e, x, y) => {
            const b = e.getBoundingClientRect();
            e.dispatchEvent(new PointerEvent("pointermove", {clientX: b.left + x * b.width, clientY: b.top + y * b.height}));
            return document.getElementById("hover").innerText;
          };
          root.corner = at(document.querySelector("#transfer .heat canvas"), 0.99, 0.99);
          const search = document.querySelector("#classes input");
          search.value = "GOLD fish";
          search.dispatchEvent(new Event("input"));
          root.found = root.tableRows;
          search.value = "";
          search.dispatchEvent(new Event("input"));
          [...document.querySelectorAll("#classes th button")].find((b) => b.textContent === "false alarms").click();
          root.first = document.querySelector("#classes tbody td").textContent;
          document.querySelector("#classes tbody tr").click();
          root.chosen = document.querySelector("#flow select").selectedOptions[0].textContent;"""
        page = self.dir / "acts.html"
        page.write_text(self.text.replace("</body>", "<script>{%s}</script></body>" % acts))
        _, root = self.open(page)
        self.assertEqual(html.unescape(root["corner"]), "goldfish (n00000009), shown its own images\n100.0 %")
        self.assertEqual((root["found"], root["first"], root["chosen"]), ("2", "9", "goldfish (n00000009)"))

    def test_pictures_are_shown_with_their_descriptions(self):
        folder, page = self.dir / "explained", self.dir / "pictures.html"
        folder.mkdir()
        png(folder / "b_maps.png", 900, 200, "b.png\nwrong: <b>fish</b>\nrows: a, original; columns: stem")
        png(folder / "a_maps.png", 40, 30, "a.png\nright")
        one = png(self.dir / "one.png", 20, 10, "")
        self.assertEqual(report(self.results, folder, one, self.analysis, "-o", page).returncode, 0)
        acts = """
          const root = document.documentElement.dataset, shown = [...document.querySelectorAll("#maps img")];
          shown.forEach((i) => { i.loading = "eager"; });
          Promise.all(shown.map((i) => i.decode())).then(() => {
            root.sizes = shown.map((i) => i.naturalWidth + "x" + i.naturalHeight).join(" ");
            root.wide = document.documentElement.scrollWidth <= innerWidth;
            root.scrolls = document.querySelectorAll("#maps .wide")[1].scrollWidth > innerWidth;
          });"""
        page.write_text(page.read_text().replace("</body>", "<script>{%s}</script></body>" % acts))
        document, root = self.open(page, size=(500, 900))
        self.assertEqual((root.get("sizes"), root.get("wide"), root.get("scrolls")), ("40x30 900x200 20x10", "true", "true"))
        self.assertTrue('alt="b.png. wrong: <b>fish</b>. rows: a, original; columns: stem"' in html.unescape(document))
        self.assertTrue("<span>wrong: &lt;b&gt;fish&lt;/b&gt;</span>" in document)
        self.assertTrue("<b>one.png</b>" in document)

    def test_an_analysis_file_alone(self):
        page = self.dir / "alone.html"
        self.assertEqual(report(self.analysis, "--out", page).returncode, 0)
        document, root = self.open(page)
        self.assertEqual(root["charts-drawn"], root["charts-expected"])
        self.assertTrue("give it to nad_report too" in document)

    def test_what_was_not_measured_is_not_drawn(self):
        """Findings know more classes than the results, Table 1 was not tested, and specificity was."""
        def add(network):
            add_findings(network, "of_tomorrow", "tomorrow", table={
                "index": np.arange(CLASSES + 2), "id": ["n%d" % c for c in range(CLASSES + 2)],
                "name": ["c%d" % c for c in range(CLASSES + 2)]})
            add_findings(network, "table1_mistakes", "no mistakes", {"difference": np.nan, "difference_low": np.nan,
                                                                     "difference_high": np.nan, "mean_mis": 0.5})
            add_findings(network, "claims", "claims", table={
                "claim": ["specific"], "p": np.array([0.01]), "shown": np.array([1]), "sentence": ["specific (p 0.01)"]})
        analysis, page = write_analysis(self.dir / "more.h5", CLASSES, add), self.dir / "more.html"
        self.assertEqual(report(self.results, analysis, "-o", page).returncode, 0)
        acts = """
          const root = document.documentElement.dataset, data = (s) => Chart.getChart(document.querySelector(s)).data;
          root.options = document.querySelectorAll("#flow select option").length;
          root.points = data("#table1 canvas").datasets[0].data.length;
          root.lines = data("#table1 canvas").datasets.filter((d) => d.unnamed).length;"""
        page.write_text(page.read_text().replace("</body>", "<script>{%s}</script></body>" % acts))
        document, root = self.open(page)
        self.assertEqual((root["options"], root["points"], root["lines"], root["table-rows"]),
                         (str(CLASSES), "0", "0", str(CLASSES)))
        self.assertIn('class="verdict" id="verdict">6 of 10 sub-architectures are specific; 4 are', document)

    def test_several_networks_are_overlaid(self):
        other = write_analysis(self.dir / "b.h5", CLASSES, findings_of(CLASSES), "88aa", "vgg16_released")
        page = self.dir / "two.html"
        self.assertEqual(report(self.analysis, other, self.results, "--out", page).returncode, 0)
        self.assertEqual(len(payload(page.read_text())["networks"]), 2)
        _, root = self.open(page)
        self.assertEqual(root["charts-drawn"], root["charts-expected"])

    def test_a_thousand_classes(self):
        count, index = 1000, {"classes": np.arange(1000), "image_classes": np.arange(1000)}

        def add(network):
            for name in ("transfer", "original_transfer"):
                index[name] = matrix(count)
            add_findings(network, "transfer", "false alarms", arrays=index)
            add_findings(network, "table1_mistakes", "mistakes", {"difference": 0.1},
                         arrays={"mistaken": matrix(count), "classes": np.arange(count)})
        results = write_results(self.dir / "k.h5", count, (2048, 4096, 4096, 4928), lambda c: "class %d" % c,
                                lambda c: c / 10)
        analysis = write_analysis(self.dir / "ka.h5", count, add)
        page = self.dir / "k.html"
        start = time.time()
        self.assertEqual(report(results, analysis, "--out", page).returncode, 0)
        made, size = time.time() - start, page.stat().st_size / 1e6
        start = time.time()
        document, root = self.open(page, "selftest&q=class+99")
        print("1,000 classes: made in %.1f s, %.1f MB, opened in %.1f s" % (made, size, time.time() - start))
        self.assertLess(size, 15)
        self.assertEqual(root["charts-drawn"], root["charts-expected"])
        self.assertEqual(root["table-rows"], "19")  # 99, 199, ... 899 and 990 to 999
        self.assertLess(document.count("<tr"), 200)  # rows exist on their page alone


if __name__ == "__main__":
    unittest.main()
