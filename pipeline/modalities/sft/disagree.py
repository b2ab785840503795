"""Do two prompts ask the same, and do two answers say otherwise? By numbers, verdicts, denials, names."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d[\d,]*(?:\.\d+)?|\.\d+")
_COUNTING = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS = {word: str(n) for n, word in enumerate(_COUNTING.split()) if word != "one"}
_IDENTIFIER = re.compile(r"[^\W\d]\w*(?:[._]\w+)+|`[^`\n]+`|[\"“][^\"”\n]+[\"”]")
_STOP_WORDS = (
    "a an the of in on at to for from by with as and or is are was were be been being am do does did "
    "have has had can could would should will shall may might must it its this that these those there "
    "their they them he she his her him i me my we us our you your what which who whom whose when "
    "where why how please kindly tell give let know explain state say answer question find compute "
    "calculate determine name identify provide show so then than just also about into if but exactly "
    "following"
)
_STOP = frozenset(_STOP_WORDS.split())
_ASKING = frozenset(("whether", "number", "much", "many"))  # what questions are asked with
_NEGATION_WORDS = (
    "not no never none nothing neither nor cannot without isn't aren't wasn't weren't doesn't don't "
    "didn't won't can't couldn't shouldn't wouldn't hasn't haven't"
)
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_VERDICTS = {**dict.fromkeys(("yes", "yeah", "true", "correct", "right", "indeed", "certainly"), True),
             **dict.fromkeys(("no", "nope", "false", "incorrect", "wrong"), False)}
_OPPOSITES = {one: two for pair in (
    "increase decrease", "rise fall", "more less", "higher lower", "before after", "always never", "hot cold",
    "positive negative", "safe dangerous", "allowed forbidden", "possible impossible", "legal illegal",
    "even odd", "larger smaller", "above below", "best worst", "left right", "north south", "east west",
    "true false", "success failure", "odd even", "greater smaller",
) for one, two in (pair.split(), pair.split()[::-1])}
_OPEN = re.compile(
    r"^\W*(?:(?:please|can you|could you|would you|now|then)\s+)*(?:write|compose|create|generate|invent|"
    r"imagine|suggest|brainstorm|propose|come up|make up|design|draft|give (?:me )?(?:a|an|some|\w+) (?:idea|"
    r"example|tip|suggestion|story|poem|joke)|list|tell (?:me )?an?|rewrite|rephrase|paraphrase|describe)\b",
    re.IGNORECASE)
# Prompts to which any answer of a kind is right.
_FREE = re.compile(
    r"^\W*(?:(?:please|can you|could you|would you|now|then)\s+)*(?:"
    r"(?:name|give(?: me| us)?|tell(?: me| us)?|pick|choose|think of|say|show(?: me)?|mention|recommend)\s+"
    r"(?:an?|any|some|one|something|anything)\b"
    r"|(?:hi|hello|hey|good (?:morning|afternoon|evening|night|day)|thanks|thank you|bye|goodbye)"
    r"(?:\W+\w+){0,2}\W*$"
    r"|how (?:are|do) you\b(?: do| doing| today)?\W*$|(?:continue|go on|keep going|tell me more|more)\W*$"
    r"|(?:continue|finish|complete|extend)\b.*\b(?:story|tale|poem|song|lyrics|dialogue|conversation|essay|"
    r"letter|scene|chapter)\b)|\bof your choice\b|\byour (?:own|favou?rite)\b", re.IGNORECASE)
_SHORT_WORDS = 12  # an answer up to here is one statement
_TINY_WORDS = 6  # an answer up to here says one thing
_SAME_FRAME = 0.5  # share of common words at which two answers are one sentence with something exchanged


class Words(NamedTuple):
    """What of a text is compared."""

    stems: frozenset[str]  # content words without endings
    numbers: Counter[str]
    names: frozenset[str]  # words with a capital that no sentence begins with
    negations: int
    first: str
    n_words: int


def disagreement(one: str, two: str, prompt: str | None = None) -> tuple[float, str] | None:
    """Return how surely two answers disagree (0 = certainly, as scores are) and why, or None.

    Without `prompt`, only answers that share their frame (half of their content words) disagree. With the
    prompt that both answer, brief answers with other numbers or names do too, and answers with nothing in
    common, unless the prompt is open (asks to write, to suggest, for ideas), where two may well differ. To
    one that any answer of a kind fits (a greeting, a random number, "name a fruit") no two answers disagree.

    >>> disagreement("It is 12.", "It is 13.", "What is 5 + 7?")
    (0.1, 'one says 12, the other 13')
    >>> disagreement("Paris", "The capital is Paris.") is None
    True
    """
    a, b = words_of(one), words_of(two)
    if a == b or not (a.n_words and b.n_words) or (prompt is not None and _FREE.search(prompt)):
        return None
    verdicts = _VERDICTS.get(a.first), _VERDICTS.get(b.first)
    if None not in verdicts and verdicts[0] != verdicts[1]:
        return 0.05, f"one says {a.first}, the other {b.first}"
    strict = prompt is None
    frame = _overlap(a.stems, b.stems) if a.stems or b.stems or not strict else 0.0
    numbers = _other_numbers(a, b, frame, strict)
    if numbers:
        return numbers
    if frame >= _SAME_FRAME and (a.negations > 0) != (b.negations > 0):
        return 0.1, "one denies what the other says"
    only_a, only_b = a.stems - b.stems, b.stems - a.stems
    opposite = sorted(w for w in only_a if _OPPOSITES.get(w) in only_b)
    brief = max(a.n_words, b.n_words) <= _SHORT_WORDS
    if opposite and (brief or frame >= _SAME_FRAME / 2):
        return 0.1, f"one says {opposite[0]}, the other {_OPPOSITES[opposite[0]]}"
    names_a, names_b = a.names - _lower(b), b.names - _lower(a)
    if names_a and names_b and (frame >= _SAME_FRAME or (brief and not strict and not a.names & b.names)):
        return 0.2, f"one says {min(names_a)}, the other {min(names_b)}"
    if prompt is None or _OPEN.match(prompt):
        return None
    if only_a and only_b and max(a.n_words, b.n_words) <= _TINY_WORDS:
        return 0.3, f"one says {_spelt(one, only_a)}, the other {_spelt(two, only_b)}"
    if frame < 0.1 and min(len(a.stems), len(b.stems)) >= 3:
        return 0.35, f"they have {100 * frame:.0f} % of their words in common"
    return None


def same_question(one: str, two: str) -> bool:
    """Whether two prompts with mostly the same words ask the same: no number, name or content word differs.

    >>> same_question("What is 12 + 7?", "what's 12 + 7"), same_question("What is 12 + 7?", "What is 12 + 8?")
    (True, False)
    """
    if one == two:
        return True
    a, b = words_of(one), words_of(two)
    if a.numbers != b.numbers or (a.negations % 2) != (b.negations % 2):
        return False
    only_a, only_b = a.stems - b.stems, b.stems - a.stems
    return all(any(_typo(x, y) for y in only_b) for x in only_a) and all(
        any(_typo(x, y) for x in only_a) for y in only_b)


def shares_a_name(one: str, two: str, usual: frozenset[str] = frozenset()) -> bool:
    """Whether two prompts have a number or a name in common that is not usual in the set."""
    a, b = words_of(one), words_of(two)
    return bool(a.numbers & b.numbers or (a.names & b.names) - usual)


def explained(prompts: tuple[str, str], answers: tuple[str, str]) -> bool:
    """Whether the prompts differ in a word that the answers differ in too: each answers its own question.

    >>> explained(("Sine of 45?", "Cosine of 45?"), ("The sine is 0.7.", "The cosine is 0.7."))
    True
    """
    (p, q), (a, b) = (tuple(words_of(text).stems for text in pair) for pair in (prompts, answers))
    return bool((a - b) & (p - q) or (b - a) & (q - p))


def same_words(one: str, two: str) -> bool:
    """Whether two thirds of the shorter prompt's content words are the other's too, numbers not counted."""
    a, b = words_of(one).stems, words_of(two).stems
    return len(a & b) >= 2 / 3 * max(min(len(a), len(b)), 1)


def asks_alike(one: str, two: str, usual: frozenset[str] = frozenset()) -> bool:
    """Whether two prompts in different words may ask the same: equal numbers and names, shared content.

    Of the shorter prompt's content words and numbers half must be the other's too. Names are words with a
    capital inside a sentence, dotted or underscored identifiers, and what stands in quotes.

    usual : content words that tell nothing, because many of the set's prompts have them.
    """
    a, b = words_of(one), words_of(two)
    if a.numbers != b.numbers or (a.negations % 2) != (b.negations % 2):
        return False
    if (a.names - _lower(b)) and (b.names - _lower(a)):
        return False
    if (a.names | b.names) and not (a.names <= _lower(b) or b.names <= _lower(a)):
        return False
    asked_a, asked_b = a.stems - _ASKING - usual, b.stems - _ASKING - usual
    if asked_a - asked_b and asked_b - asked_a and _overlap(asked_a, asked_b) >= _SAME_FRAME:
        return False  # one frame with something exchanged: "the word kettle", "the word whistle"
    shared = sum(a.numbers.values()) + len(a.names & b.names - asked_a - asked_b - usual)
    common = len(asked_a & asked_b) + shared
    return bool(common) and common >= _SAME_FRAME * (min(len(asked_a), len(asked_b)) + shared)


@lru_cache(maxsize=65_536)
def words_of(text: str) -> Words:
    """Return what of a text is compared."""
    found = [m[0].replace("’", "'") for m in _WORD.finditer(text)]
    lower = [w.casefold().removesuffix("'s") for w in found]
    numbers = Counter(_number(w) for w in lower if w[0].isdigit() or w[0] == "." or w in _NUMBER_WORDS)
    starts = {m.end() for m in re.finditer(r"(?:^|[.!?:\n]|^[-*•\d.)\s]+)\s*", text, re.MULTILINE)}
    names = frozenset(m[0].casefold().removesuffix("'s") for m in _WORD.finditer(text)
                      if m[0][0].isupper() and m.start() not in starts
                      and (m[0].casefold() not in _STOP or m[0] in ("May", "Will")))
    names |= frozenset(m.casefold() for m in _IDENTIFIER.findall(text))
    stems = frozenset(_stem(w) for w in lower
                      if w not in _STOP and w not in _NEGATIONS and w not in _NUMBER_WORDS
                      and not (w[0].isdigit() or w[0] == "."))
    negations = sum(w in _NEGATIONS for w in lower)
    return Words(stems, numbers, names, negations, lower[0] if lower else "", len(found))


def _other_numbers(a: Words, b: Words, frame: float, strict: bool) -> tuple[float, str] | None:
    """Numbers disagree where one sentence has others, or where two short ones have none in common."""
    only_a, only_b = a.numbers - b.numbers, b.numbers - a.numbers
    if not (a.numbers and b.numbers and only_a and only_b):
        return None
    brief = max(a.n_words, b.n_words) <= 3 * _SHORT_WORDS
    none_shared = not a.numbers & b.numbers
    if frame >= _SAME_FRAME or (brief and none_shared and not strict):
        return 0.1, f"one says {min(only_a)}, the other {min(only_b)}"
    return None


def _spelt(text: str, stems: frozenset[str]) -> str:
    """Return the text's first three words of these stems, as they stand there."""
    found = [m[0] for m in _WORD.finditer(text) if _stem(m[0].replace("’", "'").casefold()) in stems]
    return " ".join(list(dict.fromkeys(found))[:3])


def _overlap(one: frozenset[str], two: frozenset[str]) -> float:
    """Jaccard; 1 where both are empty."""
    return len(one & two) / len(one | two) if one | two else 1.0


def _lower(words: Words) -> frozenset[str]:
    return words.names | words.stems


def _number(word: str) -> str:
    """Return a number as one of its spellings: 1,000 and 1000, 2.50 and 2.5 are the same."""
    plain = _NUMBER_WORDS.get(word, word).replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain.lstrip("0") or "0"


def _stem(word: str) -> str:
    word = word.removesuffix("'s").replace("'", "")
    for ending in ("ies", "ing", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _typo(one: str, two: str) -> bool:
    """Whether two words of five letters and more differ by one letter, or by two that changed places."""
    if min(len(one), len(two)) < 5 or abs(len(one) - len(two)) > 1:
        return False
    i = 0
    while i < min(len(one), len(two)) and one[i] == two[i]:
        i += 1
    j = 0
    while j < min(len(one), len(two)) - i and one[-1 - j] == two[-1 - j]:
        j += 1
    rest_one, rest_two = one[i : len(one) - j], two[i : len(two) - j]
    return max(len(rest_one), len(rest_two)) <= 1 or (len(rest_one) == 2 and rest_one == rest_two[::-1])
