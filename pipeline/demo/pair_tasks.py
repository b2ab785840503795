"""Instruction pairs made from what Python and its packages know: sums, words, docstrings, formats."""

from __future__ import annotations

import calendar
import http
import importlib
import inspect
import json
import random
import re
from collections.abc import Iterator
from typing import NamedTuple


class Task(NamedTuple):
    """One pair: the instruction, its input ("" for none),
    the answer; `again` asks the same in other words.
    """

    kind: str
    instruction: str
    given: str
    answer: str
    again: str


_WORDS = (
    "apple river stone cloud garden window market silver candle forest bridge winter pepper button "
    "castle dragon engine farmer guitar hammer island jacket kitten ladder magnet needle orange pencil "
    "rabbit saddle temple violin walnut yellow zebra anchor basket copper dinner eleven flower golden "
    "harbor insect jungle kettle lemon mirror napkin oyster pillow quartz ribbon summer ticket velvet "
    "whistle"
)
_NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivan", "Jo", "Kim", "Lea", "Max", "Nia")
_TOWNS = ("Oslo", "Rome", "Lima", "Cairo", "Quito", "Hanoi", "Accra", "Turin", "Perth", "Leeds", "Osaka")
_MODULES = (
    "numpy", "numpy.linalg", "math", "itertools", "statistics", "os.path", "shutil", "textwrap",
    "random", "functools", "operator", "string", "time", "json", "base64", "heapq", "bisect",
    "colorsys",
)


def tasks(seed: int) -> list[Task]:
    """Return about 1,600 pairs in a random order, no two with one prompt. The same seed, the same pairs."""
    rng = random.Random(f"{seed}:tasks")
    made = [*_sums(rng), *_words(rng), *_calendar(rng), *_formats(rng), *_statuses(), *_docs()]
    by_prompt = {(t.instruction, t.given): t for t in made}
    out = [by_prompt[key] for key in sorted(by_prompt)]
    rng.shuffle(out)
    return out


def _sums(rng: random.Random) -> Iterator[Task]:
    """Yield arithmetic in one step."""
    for _ in range(170):
        a, b = rng.randint(2, 60), rng.randint(2, 60)
        ask = rng.choice(("What is {a} plus {b}?", "Add {a} and {b}.", "Work out the sum of {a} and {b}."))
        yield Task("sum", ask.format(a=a, b=b), "", f"The sum of {a} and {b} is {a + b}.",
                   f"How much is {a} added to {b}?")
    for _ in range(110):
        a, b = sorted((rng.randint(2, 99), rng.randint(2, 99)))
        ask = rng.choice(("What is {b} minus {a}?", "Subtract {a} from {b}.", "Take {a} away from {b}."))
        yield Task("difference", ask.format(a=a, b=b), "", f"{b} minus {a} is {b - a}.",
                   f"How much is left of {b} after taking away {a}?")
    for _ in range(130):
        n = rng.randint(3, 999)
        ask = rng.choice(("Is {n} odd or even?", "Say whether {n} is even or odd."))
        what = "odd" if n % 2 else "even"
        yield Task("parity", ask.format(n=n), "", f"The number {n} is {what}.",
                   f"Is the number {n} an even or an odd one?")
    for _ in range(110):
        a, b = rng.sample(range(2, 500), 2)
        ask = rng.choice(("Which number is larger, {a} or {b}?", "Name the larger of {a} and {b}."))
        yield Task("larger", ask.format(a=a, b=b), "", f"The larger number is {max(a, b)}.",
                   f"Of {a} and {b}, which is the larger number?")


def _words(rng: random.Random) -> Iterator[Task]:
    """Yield questions about single words."""
    for word in _WORDS.split():
        yield Task("first letter", f"What is the first letter of the word {word}?", "",
                   f"The word {word} begins with the letter {word[0]}.",
                   f"Which letter does the word {word} start with?")
        yield Task("length", f"How many letters does the word {word} have?", "",
                   f"The word {word} has {len(word)} letters.", f"Count the letters of the word {word}.")
        yield Task("capitals", "Write the word in capital letters.", word,
                   f"In capitals it is {word.upper()}.",
                   "Put the word into capitals.")
        yield Task("backwards", "Spell the word backwards.", word, f"Backwards it is {word[::-1]}.",
                   "Write the word from its last letter to its first.")


def _calendar(rng: random.Random) -> Iterator[Task]:
    """Yield questions about days and months."""
    days, months = list(calendar.day_name), list(calendar.month_name)[1:]
    for k, day in enumerate(days):
        yield Task("calendar", f"Which day comes after {day}?", "",
                   f"The day after {day} is {days[(k + 1) % 7]}.",
                   f"What day follows {day}?")
        yield Task("calendar", f"Which day comes before {day}?", "",
                   f"The day before {day} is {days[k - 1]}.",
                   f"What day precedes {day}?")
    for k, month in enumerate(months):
        yield Task("calendar", f"Which month comes after {month}?", "",
                   f"The month after {month} is {months[(k + 1) % 12]}.", f"What month follows {month}?")
        n = calendar.monthrange(2023, k + 1)[1]
        yield Task("calendar", f"How many days does {month} have in 2023?", "",
                   f"In 2023, {month} has {n} days.", f"What is the number of days of {month} 2023?")


def _formats(rng: random.Random) -> Iterator[Task]:
    """Yield answers of a form that was asked for: JSON, lists of a length, code blocks."""
    words = _WORDS.split()
    for _ in range(90):
        name, town, age = rng.choice(_NAMES), rng.choice(_TOWNS), rng.randint(18, 90)
        answer = json.dumps({"name": name, "town": town, "age": age})
        yield Task("json", "Give name, town and age as a JSON object.",
                   f"{name} is {age} and lives in {town}.",
                   answer, "Return a JSON object with name, town and age.")
    for _ in range(110):
        n = rng.randint(3, 6)
        chosen = rng.sample(words, n)
        count = ("three", "four", "five", "six")[n - 3]
        yield Task("list",
                   f"List the {count} words in the order of the alphabet, one a line.", ", ".join(chosen),
                   "\n".join(f"- {word}" for word in sorted(chosen)),
                   f"Sort the {count} words by the alphabet, as a list.")
    for _ in range(60):
        name, n = rng.choice(words), rng.randint(2, 99)
        yield Task("code", f"Write in a Python code block how to set the variable {name} to {n}.", "",
                   f"```python\n{name} = {n}\n```",
                   f"Show, within a code block, Python that gives {name} the value {n}.")


def _statuses() -> Iterator[Task]:
    """Yield the meanings of HTTP's status codes."""
    for status in http.HTTPStatus:
        if status.description:
            said = status.description.rstrip(".")
            yield Task("http", f"What does the HTTP status code {status.value} mean?", "",
                       f"HTTP status {status.value} means {status.phrase}. {said[0].upper()}{said[1:]}.",
                       f"Explain the meaning of HTTP status code {status.value}.")


def _docs() -> Iterator[Task]:
    """Yield what functions do, by the first sentence of their docstrings."""
    for module_name in _MODULES:
        module = importlib.import_module(module_name)
        for name in sorted(vars(module)):
            value = getattr(module, name)
            if name.startswith("_") or not (inspect.isroutine(value) or type(value).__name__ == "ufunc"):
                continue
            said = _first_sentence(inspect.getdoc(value) or "", name)
            if said:
                yield Task("docs", f"What does the Python function {module_name}.{name} do?", "",
                           said, f"Explain the purpose of {module_name}.{name} in Python.")


def _first_sentence(doc: str, name: str) -> str:
    """Return a docstring's first sentence where it is one of 6 to 30 words of plain English; "" otherwise."""
    lines = [line.strip() for line in doc.split("\n\n") if line.strip()]
    text = next((" ".join(part.split()) for part in lines if not part.startswith((f"{name}(", "."))), "")
    found = re.match(r"[A-Z][^.!?`:<>*]*?\.(?=\s|$)", text)
    return found[0] if found and 6 <= len(found[0].split()) <= 30 else ""
