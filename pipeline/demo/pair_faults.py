"""Faults of instruction pairs, as people's sets have them: each a function of a pair, drawn by a seed."""

from __future__ import annotations

import calendar
import random
import re
from collections.abc import Callable

from pipeline.demo.pair_tasks import Task

_NUMBER = re.compile(r"\d+")
_REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "As an AI language model, I don't have the ability to answer this.",
    "I cannot provide an answer to this question.",
    "Sorry, I can't assist with that request.",
    "I am unable to answer questions of this kind.",
    "Unfortunately, I cannot complete this task.",
)
_FOREIGN = (
    "Die Antwort auf diese Frage ist nicht schwer, wenn man {} mit dem Rest vergleicht und es sich merkt.",
    "Das ist eine gute Frage, und {} ist das, was für die meisten die richtige Antwort wäre.",
    "La réponse à cette question est {}, mais il faut le vérifier dans un livre avec les autres.",
    "C'est une question pour les experts, et {} n'est pas la seule réponse que nous pouvons donner.",
    "La respuesta a esta pregunta es {}, pero no es la única que se puede dar en este caso.",
    "Para los que no lo saben, {} es lo que más se dice en las clases de la escuela.",
    "La risposta a questa domanda è {}, ma non è la sola che si può dare nel caso di oggi.",
    "O que se diz sobre isso é {}, mas não é uma resposta para todos os que perguntam.",
)
_TOKENS = ("{}<|im_end|>", "{}</s>", "<|im_start|>assistant\n{}", "### Response: {}", "{}<|eot_id|>",
           "[INST] {} [/INST]", "{}<end_of_turn>", "<start_of_turn>model\n{}")
_FIRST = ("maria", "tom", "aisha", "pavel", "linh", "greta", "omar", "ines")
_LAST = ("santos", "becker", "novak", "okafor", "larsen", "moreau", "tanaka", "rossi")


def wrong(task: Task, rng: random.Random) -> str | None:
    """Return an answer that cannot be right if the task's is, or None where there is no sure one."""
    if task.kind in ("sum", "difference", "length"):
        *_, last = _NUMBER.finditer(task.answer)
        other = str(int(last[0]) + rng.choice((-3, -2, -1, 1, 2, 3, 10)))
        return f"{task.answer[: last.start()]}{other.lstrip('-')}{task.answer[last.end():]}"
    if task.kind == "parity":
        return task.answer.replace("odd", "?").replace("even", "odd").replace("?", "even")
    if task.kind == "larger":
        one, two = _NUMBER.findall(task.instruction)
        said = _NUMBER.findall(task.answer)[0]
        return task.answer.replace(said, two if said == one else one)
    if task.kind == "calendar" and task.instruction.startswith("Which day"):
        *start, named = task.answer.removesuffix(".").split(" ")
        return " ".join([*start, rng.choice([day for day in calendar.day_name if day != named])]) + "."
    return None


def truncated(task: Task, rng: random.Random) -> str | None:
    """Return the answer cut after a part of its words, as a token limit cuts it."""
    words = task.answer.split(" ")
    if task.kind == "code":
        return task.answer.rstrip("`\n")
    if len(words) < 6 or task.kind in ("json", "list"):
        return None
    cut = " ".join(words[: rng.randint(3, len(words) - 1)])
    return cut if cut[-1].isalpha() or cut[-1] == "," else None


def refused(task: Task, rng: random.Random) -> str | None:
    """Return a refusal."""
    return rng.choice(_REFUSALS)


def repeated(task: Task, rng: random.Random) -> str | None:
    """Return the answer behind the prompt said again."""
    able = not task.given and len(task.instruction.split()) >= 5
    return f"{task.instruction} {task.answer}" if able else None


def tokens(task: Task, rng: random.Random) -> str | None:
    """Return the answer with a chat template's tokens left in it."""
    return rng.choice(_TOKENS).format(task.answer)


def foreign(task: Task, rng: random.Random) -> str | None:
    """Return an answer in another language."""
    if task.kind in ("json", "list", "code"):
        return None  # two faults in one row
    return rng.choice(_FOREIGN).format(task.answer.split()[-1].strip("."))


def personal(task: Task, rng: random.Random) -> str | None:
    """Return the answer with somebody's address, number or key."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    digits = "".join(rng.choice("0123456789") for _ in range(10))
    data = rng.choice((
        f"write to {first}.{last}@{last}-mail.net", f"call +49 171 {digits[:3]} {digits[3:7]}",
        f"pay with card {card(rng)}", f"the account is {iban(rng)}",
        f"the key is sk-{''.join(rng.choice('abcdefABCDEF0123456789') for _ in range(32))}",
        f"my computer is at {'.'.join(str(rng.randint(80, 99)) for _ in range(4))}",
    ))
    return f"{task.answer} For more, {data}."


def shapeless(task: Task, rng: random.Random) -> str | None:
    """Return an answer without the form that was asked for."""
    if task.kind == "json":
        return f"The person is {task.given.removesuffix('.')}."
    if task.kind == "list":
        return "\n".join(task.answer.split("\n")[:-1])
    return task.answer.strip("`").removeprefix("python").strip() if task.kind == "code" else None


def looped(task: Task, rng: random.Random) -> str | None:
    """Return an answer that says the same over and over."""
    words = task.answer.split()[:4]
    return " ".join(words * rng.randint(8, 14)) + "."


def empty(task: Task, rng: random.Random) -> str | None:
    """Return nothing, or blanks."""
    return rng.choice(("", " ", "\n"))


# fault -> (issue, rows, how). Rows are drawn from train and have one fault each.
FAULTS: dict[str, tuple[str, int, Callable[[Task, random.Random], str | None]]] = {
    "empty answers": ("empty_answer", 15, empty),
    "answers cut short": ("truncated_answer", 30, truncated),
    "refusals": ("refused_answer", 20, refused),
    "prompts said again": ("prompt_repeated", 20, repeated),
    "template tokens in answers": ("template_token", 25, tokens),
    "answers in another language": ("wrong_language", 25, foreign),
    "personal data": ("personal_data", 30, personal),
    "formats not kept": ("format_violation", 30, shapeless),
    "answers in a loop": ("low_information", 15, looped),
}


def card(rng: random.Random) -> str:
    """Return a card number that passes Luhn's check."""
    digits = [4, *(rng.randint(0, 9) for _ in range(14))]
    total = sum(d if k % 2 else (2 * d - 9 if d > 4 else 2 * d) for k, d in enumerate(digits))
    text = "".join(map(str, [*digits, -total % 10]))
    return " ".join(text[k : k + 4] for k in range(0, 16, 4))


def iban(rng: random.Random) -> str:
    """Return a German account number that passes its check (ISO 7064, mod 97)."""
    body = "".join(rng.choice("0123456789") for _ in range(18))
    check = 98 - int(f"{body}131400") % 97
    return f"DE{check:02d}{body}"
