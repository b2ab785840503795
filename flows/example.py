"""`assay init`: a small dataset with something wrong of every common kind, and a recipe that runs on it."""

from __future__ import annotations

import csv
import random
from importlib.resources import files
from pathlib import Path

from pipeline.recipe import RecipeError

DATA, RECIPE = "messages.csv", "recipe.toml"
ROWS = 150
PHRASES = {
    "delivery": (
        "the parcel came {n} days late", "the courier left it at the wrong door", "tracking has not moved",
        "it was sent to my old address", "the box never arrived", "shipping took {n} weeks",
        "the driver did not ring", "delivery was promised for Monday",
    ),
    "payment": (
        "my card was charged {n} times", "the refund of {n} euros is missing", "the invoice is wrong",
        "the discount code was refused", "I was billed after cancelling", "the price changed at checkout",
        "the bank declined the payment", "I need a receipt for {n} euros",
    ),
    "product": (
        "the screen broke after {n} days", "the battery lasts {n} minutes", "one button does not work",
        "the colour differs from the picture", "it makes a loud noise", "a screw was missing",
        "the zip tore at once", "it stopped working after {n} uses",
    ),
}  # fmt: skip
OPENINGS = ("Hello,", "Dear team,", "Hi,", "Good morning,", "To whom it may concern:")
ENDINGS = ("Please help.", "What can be done?", "I am not happy.", "Please answer soon.", "Thank you.")
OFF_TOPIC = ("Simmer the onions in butter until golden, then add the rice and stir for two minutes.",
             "The comet will be visible to the naked eye from the southern hemisphere in March.")  # fmt: skip


def write_example(folder: Path) -> dict[str, str]:
    """Write the data and the recipe into `folder`; the same files every time. Raises `RecipeError`."""
    for name in (DATA, RECIPE):
        if (folder / name).exists():
            raise RecipeError(f"{folder / name}: is there already (give another folder)")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / DATA).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "message", "topic"))
        writer.writerows((f"m{i:03d}", *row) for i, row in enumerate(_rows()))
    (folder / RECIPE).write_text(files("flows").joinpath("recipes/example.toml").read_text("utf-8"), "utf-8")
    return {
        "data": str(folder / DATA),
        "recipe": str(folder / RECIPE),
        "next": f"assay run {folder / RECIPE}",
    }


def _rows() -> list[tuple[str, str]]:
    """Return (message, topic): honest rows first, then the spoilt ones, then all of them shuffled."""
    rng, topics = random.Random(0), sorted(PHRASES)
    rows = [(_message(topics[i % 3], rng), topics[i % 3]) for i in range(ROWS)]
    rows += [rows[i] for i in range(5)]  # exact copies
    rows += [(rows[i][0].replace("Please", "Kindly", 1) + " Regards", rows[i][1]) for i in range(10, 15)]
    rows += [(_message(topics[i % 3], rng), topics[(i + 1) % 3]) for i in range(8)]  # wrong labels
    rows += [(f"<p>{_message('payment', rng)}</p><br>", "payment") for _ in range(3)]
    rows += [(_message("product", rng) + " It isnâ€™t cheap.", "product") for _ in range(3)]
    rows += [("", "delivery"), *((text, "product") for text in OFF_TOPIC)]
    rng.shuffle(rows)
    return rows


def _message(topic: str, rng: random.Random) -> str:
    told = ". ".join(rng.sample(PHRASES[topic], 3)).format(n=rng.randint(2, 90))
    return f"{rng.choice(OPENINGS)} {told}. {rng.choice(ENDINGS)}"
