"""Answers that stop early, decline, or say the prompt again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.abilities import Fault
from pipeline.modalities.sft.endings import is_code, is_signed, is_verse, is_whole
from pipeline.modalities.sft.options import SftQuality
from pipeline.modalities.sft.turns import Turn, exchanges

_ENDS = frozenset(".!?…:;)]}>\"'”’»`*|~_$%。！？）」』】›—")  # an answer may end with any of these
_USUAL = 0.9  # share of answers that end with a mark, from which one that does not has been cut
_FEWEST_WORDS = 3  # of an answer that is a sentence
_DANGLING_WORDS = (
    "the a an and or but of to in on at for with from by as is are was were that which who because if "
    "than into its their his her your our this these those be been has have had can will would should "
    "not very such between including while when where so also about"
)
_DANGLING = frozenset(_DANGLING_WORDS.split())
_LIST_LINE = re.compile(r"^\s*(?:[-*•–+]|\d{1,3}[.)]|[a-z][.)]|#+|\|)\s*")
_REFUSED = re.compile(
    r"\bI(?:['’]m| am)?(?: (?:really|truly|very))? (?:sorry|afraid)\b.{0,60}?"
    r"\b(?:can(?:no|['’])t|cannot|can not|unable|not able|won['’]t|don['’]t (?:have|feel)|"
    r"not (?:comfortable|allowed|permitted))"
    r"|\b(?:I|we) (?:can(?:not|['’]t| not)|am unable to|['’]m unable to|am not able to|"
    r"won['’]t(?: be able to)?|must decline to|have to decline|will not) "
    r"(?:\w+ ){0,2}?(?:assist|help(?! (?:but|it|myself|\w+ing)\b)|provide|fulfil|fulfill|comply|answer|"
    r"complete|do that|engage|respond|generate|create|write|discuss|support|offer|share|"
    r"give(?! (?:up|in|way)\b)|participate|process)"
    r"|\b(?:I['’]m|I am) (?:unable|not able) to\b"
    r"|\bas an? (?:AI|artificial intelligence|(?:large )?language model)"
    r"(?: (?:language |text )?(?:model|assistant|chatbot|bot|system|program|entity))*"
    r"(?=\s*(?:[,.:;)]|$|I\b|it\b|my\b|developed|trained|created|made|built|designed))"
    r"|\bagainst my (?:programming|guidelines|policy|policies)\b"
    r"|\bviolates? (?:my|our|the) (?:content )?(?:policy|guidelines)"
    r"|^(?:sorry|apologies|unfortunately),? (?:but )?(?:I|we) "
    r"(?:can(?:no|['’])t|cannot|am unable|do not|don['’]t)"
    r"|\blo siento,? (?:pero )?no puedo|\b(?:es tut mir leid|leider),? (?:aber )?(?:ich )?kann (?:ich )?"
    r"|\bje suis désolée?,? (?:mais )?je ne (?:peux|suis) pas", re.IGNORECASE | re.DOTALL)
_LETTER = re.compile(r"^\W*(?:Dear (?!user)|Subject:|To whom)", re.MULTILINE)
_OPENING_CHARS = 240  # a refusal comes first
_PLAIN = re.compile(r"\w+")


def faults(
    rows: Sequence[Sequence[Turn] | None], is_train: np.ndarray, options: SftQuality
) -> Iterator[Fault]:
    """Yield the faults of every answer, the first of each kind in a row."""
    spoken = [exchanges(row) for row in rows]
    usual = _usual([e.answer for row, train in zip(spoken, is_train, strict=True) if train for e in row])
    for i, row in enumerate(spoken):
        many = len(row) > 1
        seen: set[str] = set()
        for k, (prompt, answer) in enumerate(row, 1):
            found = {
                "truncated_answer": truncated(answer, usual) if options.truncated else None,
                "refused_answer": refused(answer) if options.refused else None,
                "prompt_repeated": repeated(prompt, answer, options.prompt_repeat_fraction),
            }
            for issue, what in found.items():
                if what and issue not in seen:
                    seen.add(issue)
                    yield Fault(i, issue, what[0], "flag", f"answer {k}: {what[1]}" if many else what[1])


def truncated(answer: str, usual: float = 0.0) -> tuple[float, str] | None:
    r"""Return the score and what shows that an answer stops early, or None.

    usual : share of the set's answers that end with a mark; where nearly all do, one that does not was cut.

    >>> truncated("It is red because the")
    (0.1, "stops after '... red because the'")
    >>> truncated("```python\nx = 1")
    (0.1, 'opens a code block and never closes it')
    """
    text = answer.strip()
    words = text.split()
    if not words:
        return None
    if text.count("```") % 2:
        return 0.1, "opens a code block and never closes it"
    tail = " ".join(words[-3:])
    code = is_code(text)  # where a line may end in any word
    dangles = text[-1] == "," or (words[-1].casefold() in _DANGLING and not is_whole(words))
    if dangles and not code and len(words) >= _FEWEST_WORDS:
        return 0.1, f"stops after '... {tail}'"
    if (opened := _open_bracket(text)) and text[-1] not in ".!?`":
        return 0.2, f"opens {opened} and never closes it; it ends with '... {tail}'"
    last = text.rsplit("\n", 1)[-1]
    if text[-1] in _ENDS or not text[-1].isalpha() or _LIST_LINE.match(last) or not _spaced(text):
        return None
    if code or is_signed(text) or is_verse(text):
        return None
    if usual >= _USUAL and len(words) >= _FEWEST_WORDS:
        return 0.3, f"ends with '... {tail}' and no mark, where {100 * usual:.0f} % of the answers have one"
    if re.search(r"[^\W\d_]{2}[.!?]['\")]?\s+[A-Z]", text) and len(last.split()) >= 4:
        return 0.3, f"its last sentence ends with '... {tail}' and no mark, the others have one"
    return None


def refused(answer: str) -> tuple[float, str] | None:
    """Return the score and the words with which an answer declines, or None; a letter says them for another.

    >>> refused("I'm sorry, but I can't help with that.")[1]
    "declines: 'I'm sorry, but I can't'"
    """
    opening = answer.strip()[:_OPENING_CHARS]
    found = _REFUSED.search(opening)
    if found is None or _LETTER.search(opening[: found.start()]):
        return None
    return 0.1, f"declines: '{found[0]}'"


def repeated(prompt: str, answer: str, share: float) -> tuple[float, str] | None:
    """Return the score and how much of the prompt the answer says again, or None.

    Either its first words are the prompt's, or it holds a part of the prompt that was one turn of five words
    or more.
    """
    asked, said = _PLAIN.findall(prompt.casefold()), _PLAIN.findall(answer.casefold())
    if len(asked) < 4 or not said:
        return None
    same = next((k for k, (a, b) in enumerate(zip(asked, said, strict=False)) if a != b),
                min(len(asked), len(said)))
    if same >= max(share * len(asked), 4):
        return 0.1, f"opens with the prompt's first {same} of {len(asked)} words"
    first = _PLAIN.findall(prompt.split("\n\n")[0].casefold())
    if len(first) >= 5 and len(said) >= len(first) and f" {' '.join(first)} " in f" {' '.join(said)} ":
        return 0.2, f"says the prompt's {len(first)} words again"
    return None


def _usual(answers: Sequence[str]) -> float:
    """Return the share of answers, of those that could be sentences, that end with a mark."""
    texts = [a.strip() for a in answers]
    sentences = [t for t in texts if len(t.split()) >= _FEWEST_WORDS and _spaced(t)]
    marked = sum(t[-1] in _ENDS or not t[-1].isalpha() for t in sentences)
    return marked / len(sentences) if len(sentences) >= 20 else 0.0


def _open_bracket(text: str) -> str | None:
    """Return the bracket that is open at the end, if any; any closing bracket closes (intervals mix them)."""
    stack: list[str] = []
    before = ""
    for char in text:
        if char in "([{“" and before not in ":;":
            stack.append(char)
        elif char in ")]}”" and stack:
            stack.pop()
        before = char
    return stack[-1] if stack else None


def _spaced(text: str) -> bool:
    """Whether the text ends in a script that marks the ends of sentences as Latin does."""
    return ord(text[-1]) < 0x0590
