"""Models that generate: base models by folder or name, "tiny", and the adapters beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.generation.render import with_template
from finetune.generation.tiny import TINY, tiny_model, tiny_tokenizer
from finetune.settings import Training
from finetune.texts import load_tokenizer, model_folder
from pipeline.stage import Missing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ADAPTER = "adapter_config.json"


def base_tokenizer(name: str) -> tuple[PreTrainedTokenizerBase, str]:
    """Return a model's tokenizer, and where its template is from.

    Raises `ValueError` naming the model when there is none.
    """
    tokenizer = tiny_tokenizer() if name == TINY else saved_tokenizer(name)
    return tokenizer, with_template(tokenizer)


def saved_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a folder, which may hold no model, or of a Hub name, with a padding token."""
    from transformers import AutoTokenizer

    if not (Path(name) / "tokenizer_config.json").is_file():
        return load_tokenizer(name)
    tokenizer: Any = AutoTokenizer.from_pretrained(name)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer  # type: ignore[no-any-return]


def is_seq2seq(name: str) -> bool:
    """Return whether the model reads the prompt by an encoder and writes the answer by a decoder."""
    if name == TINY or not _has_config(name):
        return False
    from transformers import AutoConfig

    return bool(getattr(AutoConfig.from_pretrained(model_folder(name)), "is_encoder_decoder", False))


def base_model(training: Training, tokenizer: PreTrainedTokenizerBase, seq2seq: bool) -> Any:
    """Return the model to train, whole or with an adapter, in fp32."""
    if training.model == TINY:
        return tiny_model(tokenizer, training.max_tokens + training.max_new_tokens)
    model = load_whole(model_folder(str(training.model)), seq2seq)
    return with_adapter(model, training, seq2seq) if training.method == "lora" else model


def load_whole(folder: str, seq2seq: bool) -> Any:
    """Return a causal or sequence-to-sequence model in fp32, from safetensors only."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
    return auto.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)


def with_adapter(model: Any, training: Training, seq2seq: bool) -> Any:
    """Return the model with low-rank additions to its linear layers, the only weights that are trained.

    W x + (alpha / rank) B A x, with B = 0 at first. Hu et al., ICLR 2022. Without `lora_targets` peft's
    choice for the architecture is taken, all linear layers where it has none.
    """
    peft = _peft()
    known = peft.utils.constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    named = list(training.lora_targets) or (None if model.config.model_type in known else "all-linear")
    config = peft.LoraConfig(
        task_type="SEQ_2_SEQ_LM" if seq2seq else "CAUSAL_LM", r=training.lora_rank, target_modules=named,
        lora_alpha=training.lora_alpha or 2 * training.lora_rank, lora_dropout=training.lora_dropout,
        fan_in_fan_out=model.config.model_type == "gpt2",
    )  # fmt: skip
    with _no_future():
        return peft.get_peft_model(model, config)


def save_model(model: Any, training: Training, folder: Path) -> None:
    """Save the whole model, or the adapter alone where that is asked for."""
    if training.method == "lora" and training.lora_save == "merged":
        model = model.merge_and_unload()
    model.save_pretrained(folder)


def load_model(folder: Path, seq2seq: bool) -> Any:
    """Return a saved model; an adapter is laid over its base. Raises `ValueError` when the base is gone."""
    if not (folder / ADAPTER).is_file():
        return load_whole(str(folder), seq2seq)
    peft = _peft()
    base = str(peft.PeftConfig.from_pretrained(str(folder)).base_model_name_or_path)
    try:
        whole = load_whole(base, seq2seq)
    except OSError as error:
        raise ValueError(f"{folder}: its base model {base} cannot be loaded ({error})") from None
    with _no_future():
        return peft.PeftModel.from_pretrained(whole, str(folder))


@contextmanager
def _no_future() -> Iterator[None]:
    """Hush peft, which asks transformers for a name that is going away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _has_config(name: str) -> bool:
    """Return whether there is a model to ask; a folder may hold a tokenizer alone."""
    return not Path(name).is_dir() or (Path(name) / "config.json").is_file()


def _peft() -> Any:
    try:
        import peft
    except ImportError:
        raise Missing("method lora needs peft (pip install 'assay[train]')") from None
    return peft
