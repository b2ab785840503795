"""Training: the settings of one fine-tuning run. Frozen, complete, every default written down."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

Method = Literal["probe", "partial", "lora", "full", "boosting"]

# Fields that only classifiers read, only models that learn to answer, only adapters.
CLASSES = ("label_smoothing", "class_weight", "augmentation", "batch_norm")
GENERATION = ("loss_turns", "loss_per", "max_new_tokens", "generate_rows")
LORA = ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "lora_save")

# TrainingArguments that have a setting of their own here, or that reproducibility and offline use fix.
OWN_ARGS = {
    "per_device_train_batch_size": "batch_rows",
    "num_train_epochs": "epochs",
    "learning_rate": "learning_rate",
    "gradient_accumulation_steps": "gradient_accumulation",
    "weight_decay": "weight_decay",
    "label_smoothing_factor": "label_smoothing",
    "warmup_steps": "warmup_fraction",
    "bf16": "precision",
}
FIXED_ARGS = (
    "output_dir", "seed", "data_seed", "report_to", "remove_unused_columns", "label_names", "disable_tqdm",
    "use_cpu", "average_tokens_across_devices", "save_strategy", "eval_strategy", "logging_strategy",
    "load_best_model_at_end", "metric_for_best_model", "greater_is_better", "resume_from_checkpoint",
    "push_to_hub", "hub_token", "hub_model_id", "do_train", "do_eval", "do_predict", "local_rank",
)  # fmt: skip


class Training(BaseModel, frozen=True, extra="forbid"):
    """What to train and how.

    method : "probe" is a linear model on frozen embeddings (seconds), "partial" trains the last `layers` of
        an encoder on cached activations of the layers below (minutes), "full" trains all of it. "boosting" is
        gradient boosting of trees, for tables (seconds). Conversations take "full" and "lora", which trains a
        few added weights beside frozen ones (Hu et al., ICLR 2022).
    model : a packaged one ("minilm" for text, "efficientnet-lite0" for images, "tabm" for tables), a
        `save_pretrained` folder or a Hub name; the modality's packaged one by default. The probe reads the
        `embeddings` signal, whose own settings name its encoder. Conversations take a causal or
        sequence-to-sequence model, or "tiny", which is made and trained from scratch.

    What is None here is the modality's own; see `finetune.inputs.resolved`.

    >>> Training(method="partial", layers=1).used()["layers"]
    1
    >>> Training(method="probe").used()
    {'method': 'probe', 'c': None, 'label_smoothing': 0.0, 'class_weight': None}
    """

    method: Method = "probe"
    model: str | None = Field(None, min_length=1, description="none: minilm, efficientnet-lite0 or tabm")
    max_tokens: int = Field(128, ge=8, description="longer texts are cut here")
    epochs: int | None = Field(None, ge=1, description="none: 3 for text, 5 for images, 12 to 100 for tables")
    batch_rows: int | None = Field(None, ge=1, description="none: 32, for tables 16 to 256")
    gradient_accumulation: int = Field(1, ge=1, description="batches in one step of the optimiser")
    learning_rate: float | None = Field(
        None, gt=0, description="peak; none: 5e-5 full, 3e-4 partial, 2e-4 lora; images, tables, tiny: more"
    )
    weight_decay: float = Field(0.01, ge=0)
    warmup_fraction: float = Field(
        0.1, ge=0, lt=1, description="of all steps, with a linear rise of the rate"
    )
    c: float | None = Field(
        None, gt=0, description="probe: inverse strength of the L2 penalty; none: chosen on validation rows"
    )
    trees: int = Field(300, ge=1, description="boosting: most rounds; validation rows say how many are kept")
    layers: int = Field(2, ge=1, description="partial: how many of the last layers are trained")
    augmentation: Literal["none", "flip", "crop"] = Field(
        "none", description="images, anew each epoch: flip left to right; crop also cuts and scales"
    )
    batch_norm: Literal["kept", "learnt"] = Field(
        "kept", description="images: trained layers keep the pre-trained batch statistics, or learn new ones"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weight: Literal["balanced"] | None = Field(
        None, description="weigh classes by the inverse of their size"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the hardware has it"
    )
    early_stopping: int | None = Field(
        None, ge=1, description="stop after this many epochs without a better validation loss"
    )
    seeds: int = Field(3, ge=1, description="partial and full: repeats in a comparison")
    loss_turns: Literal["all", "last"] = Field(
        "all", description="conversations: which answers are learnt; sequence to sequence reads the last only"
    )
    loss_per: Literal["token", "row"] = Field(
        "token", description="conversations: every answer token counts the same, or every row"
    )
    max_new_tokens: int = Field(64, ge=1, description="conversations: longest answer when evaluating")
    generate_rows: int = Field(200, ge=0, description="conversations: held-out rows answered, at most")
    lora_rank: int = Field(8, ge=1)
    lora_alpha: float | None = Field(None, gt=0, description="scale; none: twice the rank")
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    lora_targets: tuple[str, ...] = Field((), description="modules; none: peft's own for the architecture")
    lora_save: Literal["merged", "adapter"] = Field(
        "merged", description="save one whole model, or the adapter alone, which needs its base to be loaded"
    )
    args: dict[str, Any] = Field({}, description="further transformers.TrainingArguments, by name")

    @field_validator("args")
    @classmethod
    def _known(cls, args: dict[str, Any]) -> dict[str, Any]:
        if args:
            import dataclasses

            from transformers import TrainingArguments

            names = [f.name for f in dataclasses.fields(TrainingArguments)]
            for name in args:
                if name in OWN_ARGS:
                    raise ValueError(f"{name} is set by {OWN_ARGS[name]}; use that")
                if name in FIXED_ARGS:
                    raise ValueError(f"{name} is set by Assay and cannot be given")
                if name not in names:
                    close = difflib.get_close_matches(name, names, n=1)
                    raise ValueError(
                        f"unknown TrainingArguments name {name!r}"
                        + (f", did you mean {close[0]}?" if close else "")
                    )
        return args

    @property
    def rate(self) -> float:
        """The peak learning rate, the method's own where none is set."""
        if self.learning_rate is not None:
            return self.learning_rate
        own = {"partial": 3e-4, "lora": 2e-4, "boosting": 0.05}
        return 2e-3 if self.model == "tiny" else own.get(self.method, 5e-5)

    def used(self, foreign: Collection[str] = (), generation: bool = False) -> dict[str, Any]:
        """Return the settings that `method` reads, and no other.

        foreign : those that only other modalities read. generation : for conversations.

        >>> "lora_rank" in Training(method="full").used(generation=True)
        False
        """
        own: dict[str, tuple[str, ...]] = {
            "probe": ("method", "c", "label_smoothing", "class_weight"),
            "boosting": (
                "method", "trees", "learning_rate", "label_smoothing", "class_weight", "early_stopping"),
        }
        only = {"c", "seeds", "trees", *foreign} | (set() if self.method == "partial" else {"layers"})
        only |= set(CLASSES) if generation else set(GENERATION)
        only |= set() if self.method == "lora" else set(LORA)
        names = own.get(self.method) or [n for n in type(self).model_fields if n not in only]
        return {name: self.rate if name == "learning_rate" else getattr(self, name) for name in names}
