"""The model "tiny": a GPT-2 of a hundred thousand weights that has read nothing yet.

It needs no download: its words come from Python's own help texts, its weights are drawn at random and trained
from scratch. For tests, demonstrations and for measuring data against data; not for use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TINY = "tiny"
WORDS, WIDTH, LAYERS, HEADS = 1_000, 64, 2, 4
SAMPLE_CHARS = 2_000  # of each help text
START, END = "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_tokenizer() -> PreTrainedTokenizerBase:
    """Return a byte-level BPE tokenizer of English words, its template ChatML. It reads any text.

    The words depend on no dataset, so that two datasets that are compared are read alike. Cost: 0.4 s.
    """
    from pydoc_data.topics import topics

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    bpe.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS, special_tokens=["<pad>", START, END], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    bpe.train_from_iterator((topics[name][:SAMPLE_CHARS] for name in sorted(topics)), trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe, pad_token="<pad>", eos_token=END, additional_special_tokens=[START],
        chat_template=CHATML,
    )  # fmt: skip


def tiny_model(tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> Any:
    """Return the model with weights drawn from torch's generator as it stands."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=max_tokens, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return GPT2LMHeadModel(config)
