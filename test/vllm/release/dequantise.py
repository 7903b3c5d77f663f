"""dequantise.py GGUF FOLDER: the weights of a GGUF file as plain float32, with the tokenizer, as vLLM loads them."""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

gguf, target = Path(sys.argv[1]), Path(sys.argv[2])
quantised = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)

# The loaded model still calls itself quantised, and would be refused by vLLM; one made anew from its shape does not.
shape = quantised.config.to_dict()
shape.pop("quantization_config", None)
plain = type(quantised)(type(quantised.config).from_dict(shape)).to(torch.float32)
missing, unexpected = plain.load_state_dict(quantised.state_dict(), strict=False)
# The output layer may share the weights of the input layer and is then not stored twice.
if unexpected or set(missing) - {"lm_head.weight"}:
    sys.exit(f"The weights do not fit: {missing} are missing, {unexpected} are not known.")

plain.save_pretrained(target)
AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)
