"""The settings of stages that only instruction pairs have: `[stages.sft]` in a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, field_validator

from pipeline.modalities.sft.language import KNOWN
from pipeline.modalities.text.options import TextAugment


class SftClean(BaseModel, frozen=True, extra="forbid"):
    """What `clean` repairs in a conversation."""

    unicode: bool = Field(True, description="mojibake, control characters, invisible characters, NFC")
    whitespace: bool = Field(True, description="line ends, trailing spaces, outer whitespace; code stays")
    template_tokens: bool = Field(True, description="chat template tokens at the ends of a turn")
    roles: bool = Field(True, description="other names of the roles, such as human and gpt")


class SftQuality(BaseModel, frozen=True, extra="forbid"):
    """What `quality` looks for in a conversation."""

    min_answer_chars: int = Field(1, ge=1, description="an answer with fewer characters is empty")
    max_repeated_trigram_fraction: float = Field(
        0.5, gt=0, le=1, description="word 3-grams of the answers there before")
    prompt_repeat_fraction: float = Field(
        0.8, gt=0, le=1, description="share of the prompt's words that open the answer")
    truncated: bool = Field(True, description="answers that stop in mid-sentence or leave brackets open")
    refused: bool = Field(True, description="answers that decline to answer")
    formats: bool = Field(True, description="JSON, lists of N items and code blocks that a prompt asks for")
    language: str | None = Field(
        None, description="ISO code that answers must have; none: that of the prompt, else of the set")
    personal: Literal["flag", "drop", "off"] = Field("flag", description="rows with personal data")
    empty: Literal["flag", "drop"] = Field("drop", description="rows without a prompt or an answer")
    max_length: int | None = Field(None, ge=2, description="tokens that training reads; needs `tokenizer`")
    tokenizer: str = Field("minilm", description="folder or Hub name; minilm is packaged and counts alike")

    @field_validator("language")
    @classmethod
    def _is_known(cls, code: str | None) -> str | None:
        if code is not None and code not in KNOWN:
            raise ValueError(f"{code!r} is none of the languages that are told apart: {', '.join(KNOWN)}")
        return code


class SftAugment(TextAugment, frozen=True, extra="forbid"):
    """How `augment` varies the user's turns. Answers are never varied."""


class SftDuplicates(BaseModel, frozen=True, extra="forbid"):
    """How `duplicates` compares answers to one question."""

    paraphrases: bool = Field(True, description="find questions in other words too, by their embeddings")
    paraphrase_cosine: float = Field(
        0.75, gt=0, le=1, description="cosine of two prompts at or above which they ask the same")
