"""Instruction pairs and preference pairs with something wrong of every kind."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
from image_data import file_of

from pipeline.dataset import Dataset, Roles
from pipeline.hashing import IMAGE, image_cell
from pipeline.modalities.sft.turns import TURNS

ANIMALS = {"spider": (8, "webs"), "horse": (4, "grass"), "ant": (6, "leaves"), "crab": (10, "algae"),
           "eagle": (2, "fish"), "otter": (4, "clams"), "lobster": (10, "worms"), "hen": (2, "grain")}
CITIES = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "Kenya": "Nairobi",
          "Peru": "Lima", "Norway": "Oslo", "Egypt": "Cairo", "Chile": "Santiago", "Greece": "Athens"}
TOPICS = ["rain", "bread", "glass", "tides", "magnets", "rust", "yeast", "sleep", "salt", "wind", "paper",
          "soap"]


def turns(prompt: str, answer: str | None, given: str = "") -> list[dict]:
    said = [("user", prompt), ("input", given), ("assistant", answer)]
    return [{"role": role, "content": text} for role, text in said
            if text is not None and (text or role != "input")]


def plain_pairs(rng: random.Random) -> list[tuple[str, str]]:
    pairs = [(f"How many legs does a {a} have?", f"A {a} has {n} legs.") for a, (n, _) in ANIMALS.items()]
    pairs += [(f"What does a {a} eat or use most?", f"Mostly {food}, as far as people have seen.")
              for a, (_, food) in ANIMALS.items()]
    pairs += [(f"What is the capital of {c}?", f"The capital of {c} is {city}.")
              for c, city in CITIES.items()]
    for _ in range(30):
        a, b = rng.randint(11, 99), rng.randint(11, 99)
        pairs.append((f"Add the numbers {a} and {b}.", f"The sum of {a} and {b} is {a + b}."))
    pairs += [(f"Explain in one sentence why {t} matters in a kitchen.",
               f"Cooks care about {t} because it changes how a meal turns out on the table.") for t in TOPICS]
    return list(dict.fromkeys(pairs))


def sft_rows(seed: int = 0) -> list[dict]:
    rng, rows = random.Random(seed), []

    def add(messages, split="train"):
        rows.append({"row_id": f"s{len(rows):03d}", "messages": messages, "split": split,
                     "topic": rng.choice("ab")})

    plain = plain_pairs(rng)
    rng.shuffle(plain)
    for k, (prompt, answer) in enumerate(plain):
        add(turns(prompt, answer), "train" if k >= 12 else ("validation" if k < 6 else "test"))
    first = next(r for r in rows if r["split"] == "train")
    held_out = next(r for r in rows if r["split"] == "test")
    add(first["messages"])  # exact copy
    words = "Describe how the old harbour town changed after the railway came and the fishing boats left"
    long = "The town grew along the tracks, new shops opened, and families moved from the quay to the hill."
    add(turns(f"{words} it.", f"{long} Few stayed."))
    add(turns(f"{words} it.", f"{long} Few remained."))  # near copy
    add(held_out["messages"])  # leak
    add(turns("Is a whale a fish?", "Yes, a whale is a fish."))
    add(turns("Is a whale a fish?", "No, a whale is a mammal."))  # contradiction
    add(turns("What gas do plants take in?", ""))  # empty answer
    add(turns("", "It depends on the weather."))  # empty prompt
    add(turns("Why does ice float?", None))  # no answer
    add(turns("Why is the sea salty?", "Rivers carry minerals from rocks into the"))  # truncated
    add(turns("How do I pick a lock?", "I'm sorry, but I can't help with that."))  # refused
    add(turns("Name the largest planet of all.", "Name the largest planet of all. Jupiter."))  # repeated
    add(turns("Who wrote Hamlet?", "William Shakespeare wrote it.<|im_end|>"))  # template token
    german = "Das war eine Frau, die es nicht nur einmal und auch mit Mut tat."
    add(turns("Who was the first to fly alone?", german))
    add(turns("Whom do I ask about this?", "Write to jo.miller@firm-mail.de about it."))  # personal data
    add(turns("Name three colours.", "- red\n- blue"))  # format
    add(turns("Give the colour of grass as JSON.", "It is green."))  # format
    add(turns("Tell me more.", "so it is so it is so it is so it is so it is so it is so it is so it is."))
    add([{"role": "assistant", "content": "Hello there, my friend."}, {"role": "user", "content": "Hi."}])
    add(turns("What does cafÃ© mean?", "It is a place  where\r\ncoffee is sold."))  # broken Unicode
    add(turns("Zygomorphic orchid pollinia exhibit resupination?", "Pedicel torsion reorients the labellum."))
    return rows


def preference_rows(seed: int = 0) -> list[dict]:
    rng, rows = random.Random(seed), []

    def add(prompt, chosen, rejected, split="train"):
        rows.append({"row_id": f"p{len(rows):03d}", "split": split, "topic": rng.choice("ab"),
                     "prompt": [{"role": "user", "content": prompt}],
                     "chosen": [{"role": "assistant", "content": chosen}],
                     "rejected": [{"role": "assistant", "content": rejected}]})

    plain = plain_pairs(rng)
    rng.shuffle(plain)
    for k, (prompt, answer) in enumerate(plain):
        split = "train" if k >= 12 else ("validation" if k < 6 else "test")
        add(prompt, f"{answer} I hope that this helps you.", "No idea, look it up", split)
    train = [r for r in rows if r["split"] == "train"]
    held_out = next(r for r in rows if r["split"] == "test")
    for row in (train[0], held_out):  # an exact copy, and a leak
        add(*(row[c][0]["content"] for c in ("prompt", "chosen", "rejected")))
    words = "Describe how the old harbour town changed after the railway came and the fishing boats left it."
    long = "The town grew along the tracks, new shops opened, and families moved from the quay to the hill."
    add(words, f"{long} Few stayed.", "No idea, look it up")
    add(words, f"{long} Few remained.", "No idea, look it up")  # near copy
    add("Is tea healthy?", "It is, in moderation, for most people.", "It never is good for anybody at all.")
    add("Is tea healthy?", "It never is good for anybody at all.", "It is, in moderation, for most people.")
    add("Why is the sky blue?", "Air scatters blue light.", "Air scatters blue light.")  # identical
    add("Why is grass green?", "Because chlorophyll reflects it.", "")  # empty
    good = "Because iron in it binds oxygen. I hope that this helps you."
    add("Why is blood red?", "No idea, look it up", good)  # swapped
    add("Who wrote Faust?", "Goethe did.<|im_end|>", "No idea, look it up")
    return rows


def make_sft(seed: int = 0) -> Dataset:
    return _dataset(sft_rows(seed), ("messages",), "sft")


def make_preference(seed: int = 0) -> Dataset:
    return _dataset(preference_rows(seed), ("prompt", "chosen", "rejected"), "preference")


def another_cell(data: Dataset, column: str) -> object:
    """A cell with nothing in common with the others, of the column's type."""
    text = "Another text altogether, with nothing in common."
    kind = data.table.schema.field(column).type
    if kind == IMAGE:
        noise = np.random.default_rng(99).integers(0, 255, (40, 40, 3))
        return image_cell(file_of(noise.astype(np.uint8)))
    return [{"role": "user", "content": text}] if str(kind) == str(TURNS) else text


def _dataset(rows: list[dict], content: tuple[str, ...], modality: str) -> Dataset:
    columns = {c: pa.array([row[c] for row in rows], TURNS if c in content else None) for c in rows[0]}
    return Dataset.of(pa.table(columns), Roles(content=content), modality)
