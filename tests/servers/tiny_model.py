"""Makes a Llama that says known texts, and its tokenizer: `python tiny_model.py FOLDER`. Nothing is downloaded.

It is run by the environment of `transformers serve`. Each token's embedding is a direction of its own, no layer adds
anything to it, and the last matrix turns it into the token that follows: whatever came before, a token has one
follower. A prompt's last token says which text begins.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END = "<|end|>"
# By the name that a prompt has in brackets. One that does not end with END begins again.
TEXTS: dict[str, list[bytes]] = {
    "plain": [b"The", b" capital", b" is", " 東京".encode()[:2], " 東京".encode()[2:], b".", END.encode()],
    "long": [b"la ", b"li ", b"lu "],
    "think": [b"<think>", b"Two and", b" two.", b"</think>", b"Four", END.encode()],
    "call": [
        b"<tool_call>",
        b'{"name": "weather", ',
        b'"arguments": {"city": "Kyoto"}}',
        b"</tool_call>",
        END.encode(),
    ],
    "broken": [b"I will look. ", b'<tool_call>{"name": "weather", or', b" not}</tool_call>", END.encode()],
}
RESPONSE = {
    "defaults": {"role": "assistant"},
    "start_anchor": [f"<|{name}|>" for name in TEXTS],
    "fields": {
        "reasoning_content": {"open": "<think>", "close": "</think>", "content": "text"},
        "tool_calls": {
            "open": "<tool_call>",
            "close": "</tool_call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close": END, "content": "text"},
    },
}
CHAT = (
    "{%- for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{%- set begun = namespace(name='plain') %}"
    f"{{%- for name in {json.dumps(list(TEXTS))} %}}"
    "{%- if '[' ~ name ~ ']' in messages[-1].content %}{% set begun.name = name %}{% endif %}{% endfor %}"
    "<|{{ begun.name }}|>"
)
LAYERS = 4
HEADS = 4


def main(folder: Path) -> None:
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    model = _model(tokenizer)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id, do_sample=False
    )
    model.save_pretrained(folder)


def _tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, and the parts of the texts, which no prompt is ever cut into."""
    spelled = _byte_letters()
    parts = [part for text in TEXTS.values() for part in text if part != END.encode()]
    assert len(set(parts)) == len(parts), "each part has one follower"
    words = [*spelled.values(), *("".join(spelled[byte] for byte in part) for part in parts)]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, special=True) for name in (END, *RESPONSE["start_anchor"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=END, pad_token=END, chat_template=CHAT, response_template=RESPONSE
    )


def _byte_letters() -> dict[int, str]:
    """Return the letter that stands for each byte in a byte-level vocabulary."""
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    letters: dict[int, str] = {}
    for number in range(0x800):
        text = chr(number)
        [(word, _)] = level.pre_tokenize_str(text)
        letters.update(zip(text.encode(), word, strict=True))
    rest = sorted(set(pre_tokenizers.ByteLevel.alphabet()) - set(letters.values()))
    # Bytes that are in no UTF-8 text of two bytes.
    letters.update(zip(sorted(set(range(256)) - set(letters)), rest, strict=True))
    return letters


def _model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(0)
    size = len(tokenizer)
    width = -(-size // (2 * HEADS)) * 2 * HEADS
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size, width))
        model.lm_head.weight.zero_()
        for token, follower in _followers(tokenizer):
            model.lm_head.weight[follower, token] = 1.0
    return model


def _followers(tokenizer: PreTrainedTokenizerFast) -> list[tuple[int, int]]:
    spelled = _byte_letters()
    found: list[tuple[int, int]] = []
    for name, text in TEXTS.items():
        words = [END if part == END.encode() else "".join(spelled[byte] for byte in part) for part in text]
        numbers = tokenizer.convert_tokens_to_ids([f"<|{name}|>", *words])
        found += pairwise(numbers)
        if words[-1] != END:
            found.append((numbers[-1], numbers[1]))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
