"""What each issue means, in words a newcomer understands: what it is, how it was found, what to do."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """Three sentences about an issue."""

    meaning: str
    found_how: str
    what_to_do: str


_MEASURED = "Each row was measured and compared with the bounds in the stage's settings."
_REPAIRED = "Each cell was compared with its repaired form; the two differ."
_LOOK = "Look at the examples; tighten or relax the bound if they are fine."
_LEAVE = "The cell was repaired in place; nothing more is needed unless an example looks wrong."

MEANINGS: dict[str, Meaning] = {
    "label": Meaning(
        "The label is probably not the one a careful person would give.",
        "Several models, none of which had seen the row, agree that another class fits better.",
        "Read the worst ones first. Correct or drop what is wrong; rows you confirm are kept from then on."),
    "outlier": Meaning(
        "The row is unlike the rest of the training data.",
        "Its distance to its nearest neighbours was compared with that of all other rows.",
        "Rows that do not belong (another topic, spam) can go; rare but valid rows should stay."),
    "exact_duplicate": Meaning(
        "The same content occurs more than once.",
        "Contents were compared after removing differences that do not matter, such as case and spacing.",
        "One copy is kept. Nothing more is needed."),
    "near_duplicate": Meaning(
        "The content is almost the same as that of another row.",
        "Rows that share most of their short word sequences were paired.",
        "Compare the pairs below; raise the threshold if real differences were treated as copies."),
    "semantic_duplicate": Meaning(
        "The row says the same as another one in other words.",
        "Rows whose embeddings are nearly identical were paired.",
        "Compare the pairs below; these are guesses about meaning and deserve a look."),
    "leakage": Meaning(
        "A training row is also in the held-out data, so a test would reward memory.",
        "Training rows were compared with every validation and test row.",
        "The training copy is dropped; the held-out row is never touched."),
    "conflicting_labels": Meaning(
        "Copies of one content carry different labels, so at least one is wrong.",
        "The labels within each group of copies were compared.",
        "Decide which label is right; until then the row is only flagged or left out."),
    "class_imbalance": Meaning(
        "Some classes have far fewer rows than others, and models tend to neglect them.",
        "The classes were counted.",
        "Rows or weights were added for the rare classes; collecting real rows is better still."),
    "rare_label": Meaning(
        "The class has too few rows to learn from or to judge.",
        "The classes were counted.",
        "Collect more rows, or merge the class with a related one."),
    "underperforming_group": Meaning(
        "The model does clearly worse on this group than on the rest.",
        "Results on held-out rows were compared between groups, correcting for the number of groups tried.",
        "Collect or augment rows of the group, or check its labels."),
    "null": Meaning(
        "The row has no content, or a cell that is needed is missing.", "Each cell was looked at.",
        "Rows without content are dropped; find out where they come from."),
    "non_iid": Meaning(
        "The order of the rows carries information, so rows are not independent.",
        "Neighbours in the given order were compared with random pairs.",
        "Shuffle, or split by time instead of at random."),
    "too_short": Meaning("The content is too short to carry its label.", _MEASURED, _LOOK),
    "too_long": Meaning("The content is very long; a model will see only part of it.", _MEASURED, _LOOK),
    "low_information": Meaning("The content carries almost no information.", _MEASURED, _LOOK),
    "gibberish": Meaning("Much of the text is not made of letters.", _MEASURED, _LOOK),
    "mostly_missing": Meaning("Most cells of the row are missing.", _MEASURED, _LOOK),
    "dark": Meaning("The image is very dark.", _MEASURED, _LOOK),
    "light": Meaning("The image is very bright.", _MEASURED, _LOOK),
    "blurry": Meaning("The image is out of focus.", _MEASURED, _LOOK),
    "odd_size": Meaning("The image has an unusual size.", _MEASURED, _LOOK),
    "odd_aspect_ratio": Meaning("The image has an unusual shape.", _MEASURED, _LOOK),
    "wrong_language": Meaning("The text is in another language than most of the data.", _MEASURED, _LOOK),
    "personal_data": Meaning(
        "The text holds an e-mail address, a phone number or the like.", "Patterns were searched for.",
        "Mask or drop it if the model will be shared."),
    "malformed": Meaning(
        "The cell is not as it should be: markup, garbled characters, stray spaces, a number that is not "
        "one, a picture on its side or in an odd colour mode.",
        _REPAIRED, _LEAVE),
    "reformatted": Meaning(
        "The column writes its numbers with a unit, a sign or commas; the cell becomes the plain number.",
        "Most train cells of the column are written like this.", _LEAVE),
    "mojibake": Meaning("Characters were garbled by a wrong encoding.", _REPAIRED, _LEAVE),
    "markup": Meaning("The text holds HTML or other markup.", _REPAIRED, _LEAVE),
    "whitespace": Meaning("Spaces, line breaks or invisible characters are irregular.", _REPAIRED, _LEAVE),
    "augmented": Meaning(
        "A changed copy of an existing row, added so that a class or group is better covered.",
        "It was made from the parent rows it names.", "Check that the copies still deserve their label."),
    "not_selected": Meaning(
        "The row was left out to keep within the budget of rows.",
        "Rows were ranked by the rule in the settings.",
        "Nothing; a bigger budget takes it back in."),
    "review_keep": Meaning(
        "A person looked at the row and kept it.", "By hand.", "Nothing: no stage touches it."),
    "review_relabel": Meaning(
        "A person looked at the row and said which label is right.", "By hand.", "Nothing: it stands."),
    "review_drop": Meaning(
        "A person looked at the row and said that it does not belong.", "By hand.",
        "Nothing for train rows; held-out rows stay, since dropping them would change the test."),
    "review_absent": Meaning(
        "Decisions name rows that are not in the data at this point.", "Their ids were looked up.",
        "If they were not dropped before, check that the file belongs to this data."),
}  # fmt: skip


MEANINGS |= {
    "grayscale": Meaning("The picture has no colour, where most pictures have.", _MEASURED, _LOOK),
    "wrong_cell": Meaning(
        "The cell is hardly right, given its column and the other cells of its row.",
        "Formats, bounds, spellings and columns that determine each other were learnt from the train rows.",
        "Correct it at its source; a cell that is right after all should be kept in a review."),
    "constant": Meaning(
        "The column holds one value everywhere, so nothing can be learnt from it.",
        "Its different values were counted in the train rows.", "Leave it out of the content columns."),
    "continuous_label": Meaning(
        "The labels are numbers that hardly repeat: measurements, not classes.",
        "The different labels of the train rows were counted.",
        "Name another label column, or cut this one into classes; regression is not supported."),
    "duplicate_column": Meaning(
        "The column says what another one says, if in other words.",
        "The rows that share a value were compared between columns.", "One of the two is enough."),
    "identifier": Meaning(
        "The column names rows rather than describing them; a model can only memorise it.",
        "The share of values that never repeat was counted in the train rows.", "Name it as the id column."),
    "label_leakage": Meaning(
        "The column alone gives the label away; where the model is used it may not be known.",
        "The label was predicted from this column alone, on rows not learnt from.",
        "Ask when the column is filled in. If only after the label is known, leave it out."),
    "contradiction": Meaning(
        "The same question has answers that contradict each other.",
        "Answers to prompts that are the same or nearly so were compared.",
        "Decide which answer is right; a model can only learn to be unsure."),
    "contaminated": Meaning(
        "The row holds a row of the benchmark, so a score on it would reward memory.",
        "Runs of words were compared with the benchmark's.", "Drop it before training."),
    "refused_answer": Meaning(
        "The answer refuses to answer.", "Openings and phrases of refusals were searched for.",
        "Keep those that should be refused; the others teach a model to refuse."),
    "truncated_answer": Meaning(
        "The answer stops in the middle.", "Its end was compared with how answers of this data end.",
        "Complete it, or drop it: a model learns to stop early."),
    "answer_cut": Meaning(
        "The answer does not fit into what the model reads, so its end is never learnt.",
        "Tokens of prompt and answer were counted.", "Raise the limit on tokens, or shorten the prompt."),
    "prompt_repeated": Meaning(
        "The answer says the prompt again.", "Words of the answer were looked up in the prompt.", _LOOK),
    "empty_answer": Meaning("There is no answer to learn.", _MEASURED, "Drop it, or write the answer."),
    "empty_prompt": Meaning("There is no question.", _MEASURED, "Drop it, or write the question."),
    "no_answer": Meaning("No turn is the assistant's, so there is nothing to learn.", _MEASURED, "Drop it."),
    "role_order": Meaning(
        "The turns are not in the order in which people and assistants speak.", "Roles were read in order.",
        "Look at the examples; turns may be missing or swapped."),
    "template_token": Meaning(
        "The text holds marks of a chat template, which a tokenizer would read as control tokens.",
        "Marks of known templates were searched for.", "Take them out of the text."),
    "format_violation": Meaning(
        "The answer is not in the format that was asked for.",
        "What the prompt asks for was tried on the answer.",
        "Correct the answer; a model learns not to follow."),
    "identical_pair": Meaning(
        "Chosen and rejected answer are the same, so the pair prefers nothing.", "The two were compared.",
        "Nothing more is needed."),
    "swapped_pair": Meaning(
        "The rejected answer looks like the set's chosen ones, so the two may be swapped.",
        "A linear model on what distinguishes chosen answers, fitted on the other pairs.",
        "Read both answers and swap them where that is right."),
    "length_bias": Meaning(
        "The chosen answer is so often the longer one that length alone would do as a judge.",
        "Lengths of chosen and rejected answers were compared.",
        "Balance the pairs by length, or use a method that corrects for it."),
}  # fmt: skip


def meaning_of(issue: str, stages: list[str]) -> Meaning:
    """Return the three sentences, general ones for an issue that is not known here.

    >>> meaning_of("dark", ["quality"]).meaning
    'The image is very dark.'
    """
    if issue in MEANINGS:
        return MEANINGS[issue]
    for part in (
        "near_duplicate",
        "exact_duplicate",
        "conflicting_labels",
        "leakage",
        "too_short",
        "too_long",
    ):
        if part.split("_")[-1] in issue and part.split("_")[0] in issue:
            return MEANINGS[part]
    who = " and ".join(stages)
    return Meaning(
        f"{who} found something in these rows that it calls “{issue.replace('_', ' ')}”.",
        "The reason stands with each row.",
        "Look at the examples, worst first.",
    )
