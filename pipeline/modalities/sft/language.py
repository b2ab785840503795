"""Which language a text is in, by its script and its commonest words; answers in another than was asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.abilities import Fault
from pipeline.modalities.sft.turns import Turn, answer_of, prompt_of

# The commonest words of each language.
_COMMON = {
    "en": (
        "the of and to in is that for it with as was on are be this by an at from or have not you "
        "which we can your will his has but they were their what there when how"
    ),
    "de": (
        "der die und das ist nicht ein eine zu den mit von auf für sich dem des im sie es auch als an "
        "werden aus er hat dass wie oder wird bei kann einer einen sind wurde durch nach ihre"
    ),
    "fr": (
        "le la les de des et est une un en que qui dans pour sur pas plus par avec ce il elle sont au "
        "du ne se ou cette aux nous vous être ont mais comme peut leur"
    ),
    "es": (
        "el la los las de que y en un una es por con para no se del al lo como más su sus pero son "
        "fue este esta ha está muy entre también cuando puede desde"
    ),
    "it": (
        "il la lo gli le di che e è un una in per con non si del della dei delle al alla da come più "
        "sono anche ma questo nel nella ha essere può tra dalla"
    ),
    "pt": (
        "o a os as de que e em um uma é por com para não se do da dos das ao mais como mas foi são "
        "sua seu ou também está pela pode entre isso ser"
    ),
    "nl": (
        "de het een van en in is dat op te zijn met voor niet aan er om ook als dan maar bij naar "
        "deze werd wordt door kan heeft uit hij worden deze"
    ),
    "sv": (
        "och att det som en är på för med av den till har inte ett om i var kan från de sig så eller "
        "vid också efter denna"
    ),
    "da": (
        "og at det som en er på for med af den til har ikke et om i var kan fra de sig så eller ved "
        "også efter denne bliver"
    ),
    "pl": (
        "i w na z się nie do to jest że jak od po przez są dla oraz ale przy może ich który która "
        "które tym być"
    ),
    "tr": (
        "ve bir bu için ile da de olarak olan gibi daha çok en ne kadar sonra ise ancak veya değil "
        "olduğu"
    ),
    "ro": (
        "și în de la cu pe este un o nu care din pentru mai sau sunt prin ca fi al a au fost acest"
    ),
    "cs": (
        "a v na se je že s z do o jako pro by ale také jsou nebo při který která které však může byl"
    ),
    "fi": (
        "ja on ei että se oli hän mutta kuin myös joka ovat tai sen tämä kun voi sekä jos"
    ),
    "id": (
        "yang dan di dengan untuk dari ini itu pada adalah dalam tidak akan atau juga sebagai dapat "
        "ke oleh"
    ),
    "vi": (
        "và của là có được các trong cho không người một những với để này đã từ"
    ),
}
_ENGLISH_WORDS = (
    "per come in a an as is on be do no me i o die was man war so also men or for at van over of to "
    "de den dan fin son var till dat"
)
_ENGLISH_TOO = frozenset(_ENGLISH_WORDS.split())
_WORDS_OF: dict[str, list[str]] = {}
for _code, _words in _COMMON.items():
    for _word in set(_words.split()) - (_ENGLISH_TOO if _code != "en" else set()):
        _WORDS_OF.setdefault(_word, []).append(_code)
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")), ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")), ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")), ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")), ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
KNOWN = tuple(sorted({*_COMMON, *(code for code, _ in _SCRIPTS)}))  # ISO 639-1 codes
_TRANSLATES = re.compile(
    r"\btranslat|\b(?:in|into|to|from)\s+(?:\w+\s+)?(?:english|german|french|spanish|italian|portuguese|dutch|swedish|"
    r"danish|polish|turkish|romanian|czech|finnish|indonesian|vietnamese|japanese|korean|chinese|mandarin|russian|"
    r"arabic|hebrew|greek|hindi|thai|latin)\b|\bübersetz|\btradu[ií]|\btradui"
    r"|(?<!natural )(?<!programming )\blanguage\b", re.IGNORECASE)
_LATIN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LEAST_HITS = 2.0  # of common words, each counted as 1 / languages that have it
_LEAST_WORDS = 2  # different ones
_LEAD = 1.6  # times the hits of the second language
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_MAIN = 0.8  # share of train rows that makes a language the set's


def language_of(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language; None where too little tells.

    Script first (kana before Han), then commonest words, each counted as 1 / languages that have it; code
    and addresses are left out. Knows 25 languages.

    >>> language_of("Die Antwort ist nicht schwer zu finden."), language_of("wolfram(2 + 2)")
    ('de', None)
    """
    plain = _CODE.sub(" ", text)
    letters = sum(c.isalpha() for c in plain)
    if not letters:
        return None
    if not plain.isascii():
        for code, pattern in _SCRIPTS:
            if len(pattern.findall(plain)) >= (0.1 if code == "ja" else 0.3) * letters:
                return code
    hits: dict[str, float] = {}
    different: Counter[str] = Counter()
    for word, n in Counter(_LATIN.findall(plain.casefold())).items():
        languages = _WORDS_OF.get(word, ())
        for code in languages:
            hits[code] = hits.get(code, 0.0) + n / len(languages)
            different[code] += 1
    best = sorted(hits.items(), key=lambda kv: (-kv[1], kv[0]))[:2]
    if not best or best[0][1] < _LEAST_HITS or different[best[0][0]] < _LEAST_WORDS:
        return None
    return None if len(best) > 1 and best[0][1] < _LEAD * best[1][1] else best[0][0]


def faults(
    rows: Sequence[Sequence[Turn] | None], is_train: np.ndarray, wanted: str | None
) -> Iterator[Fault]:
    """Yield answers in another language than wanted, than the prompt's, or than the set's main one.

    Prompts that name a language or ask for a translation are left alone, unless a language is `wanted`.
    """
    prompts = [prompt_of(row) for row in rows]
    of_answer = [language_of(answer_of(row)) for row in rows]
    main = wanted or _main([c for c, train in zip(of_answer, is_train, strict=True) if train])
    for i, (row, said) in enumerate(zip(rows, of_answer, strict=True)):
        if said is None:
            continue
        everything = "\n".join(t["content"] or "" for t in row or () if t["role"] != "assistant")
        if wanted is None and _TRANSLATES.search(everything):
            continue
        asked = wanted or language_of(prompts[i])
        if asked is not None and said != asked:
            whose = "wanted" if wanted else "the prompt's"
            yield Fault(i, "wrong_language", 0.1, "flag", f"the answer is in {said}, {whose} is {asked}")
        elif asked is None and main is not None and said != main:
            because = f"the answer is in {said}; the set's language is {main}"
            yield Fault(i, "wrong_language", 0.3, "flag", because)


def _main(codes: Sequence[str | None]) -> str | None:
    counts = Counter(c for c in codes if c)
    if not counts:
        return None
    code, n = min(counts.items(), key=lambda kv: (-kv[1], kv[0]))
    return code if n >= _MAIN * sum(counts.values()) and n >= 10 else None
