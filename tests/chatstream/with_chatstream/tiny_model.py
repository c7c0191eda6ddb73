"""A real GPT-2 of random weights, and its tokenizer, made in memory: nothing is downloaded."""

from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

END = "<|endoftext|>"


def tiny_model() -> dict[str, Any]:
    """Return ChatStream's arguments for it."""
    tokenizer = _tokenizer()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=512,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return {
        "model": GPT2LMHeadModel(config).eval(),
        "tokenizer": tokenizer,
        "device": torch.device("cpu"),
        "num_gpus": 0,
        "max_new_tokens": 24,
        "context_len": 256,
    }


def _tokenizer() -> PreTrainedTokenizerFast:
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        ["the quick brown fox jumps over the lazy dog " * 20], vocab_size=300, special_tokens=[END]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, bos_token=END, eos_token=END, unk_token=END, pad_token=END
    )
