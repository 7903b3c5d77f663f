import type { HuggingFaceLocation } from './manifest.js';

/** A chat model that `LOCAL_VORPAL_MODEL` can name in a word. */
export interface NamedModel {
  readonly name: string;
  readonly upstream: string;
  readonly licence: string;
  /** Of the file, about. */
  readonly megabytes: number;
  /**
   * Approximate memory at the default window and number of sequences; measured for the default model, else estimated.
   */
  readonly memoryMegabytes: number;
  /** `undefined`: the default model, whose every byte the manifest pins. */
  readonly location?: HuggingFaceLocation;
}

/** The model that is there without a word: small enough for a first start on any machine. */
export const DEFAULT_MODEL_NAME = 'tiny';

// No revision and no hash of these could be taken where this list was made. So they come from `main`, and are checked
// against size and SHA-256 that Hugging Face declares when they are fetched; what arrived is trusted from then on.
const qwen = (size: string): HuggingFaceLocation => ({
  source: 'huggingface',
  repository: `Qwen/Qwen2.5-${size}-Instruct-GGUF`,
  revision: 'main',
  path: `qwen2.5-${size.toLowerCase()}-instruct-q4_k_m.gguf`,
});

/** From small to large; docs/models.md tells what each is good for. */
export const NAMED_MODELS: readonly NamedModel[] = [
  {
    name: DEFAULT_MODEL_NAME,
    upstream: 'HuggingFaceTB/SmolLM2-135M-Instruct',
    licence: 'Apache-2.0',
    megabytes: 98,
    memoryMegabytes: 1_300,
  },
  {
    name: 'small',
    upstream: 'Qwen/Qwen2.5-0.5B-Instruct',
    licence: 'Apache-2.0',
    megabytes: 490,
    memoryMegabytes: 1_800,
    location: qwen('0.5B'),
  },
  {
    name: 'medium',
    upstream: 'Qwen/Qwen2.5-1.5B-Instruct',
    licence: 'Apache-2.0',
    megabytes: 1_120,
    memoryMegabytes: 2_600,
    location: qwen('1.5B'),
  },
  {
    name: 'english',
    upstream: 'HuggingFaceTB/SmolLM2-1.7B-Instruct',
    licence: 'Apache-2.0',
    megabytes: 1_060,
    memoryMegabytes: 5_000,
    location: {
      source: 'huggingface',
      repository: 'HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF',
      revision: 'main',
      path: 'smollm2-1.7b-instruct-q4_k_m.gguf',
    },
  },
];
