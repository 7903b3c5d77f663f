import {
  getLlama,
  type Llama,
  type LlamaContextSequence,
  LlamaLogLevel,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import { ConsoleLogger } from '@nestjs/common';
import { readSettings } from '../../../packages/local-vorpal/src/settings.js';
import { ModelStore } from '../../../packages/local-vorpal/src/models/index.js';
import { type CompletionLogprobs, completionResponseSchema } from '@archive-brain/vllm-protocol';
import { type RunningVorpal, startLocalVorpal } from '../../support/local-vorpal.js';
import { EVERYDAY_SENTENCES } from './everyday-sentences.js';

const TOLERANCE_NATS = 1e-3;

/**
 * The same weights asked another way: one sentence at a time, the softmax over the whole vocabulary as the library
 * computes it, and the logarithm of the one probability that is wanted. Flash attention is on as in the local Vorpal;
 * with it off the quantised activations of this model shift single tokens by up to 0.4 nats.
 */
class FullVocabularyReference {
  private constructor(
    private readonly llama: Llama,
    private readonly model: LlamaModel,
    private readonly sequence: LlamaContextSequence,
  ) {}

  static async load(): Promise<FullVocabularyReference> {
    const settings = readSettings(process.env);
    const store = new ModelStore({ settings: settings.models, logger: new ConsoleLogger({ logLevels: ['error'] }) });
    const { path } = await store.languageModel(settings.server.model, new AbortController().signal);
    const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: LlamaLogLevel.error });
    const model = await llama.loadModel({ modelPath: path });
    const context = await model.createContext({ contextSize: 256, sequences: 1, threads: 1, flashAttention: true });
    return new FullVocabularyReference(llama, model, context.getSequence());
  }

  tokenize(text: string): number[] {
    return this.model.tokenize(text, true);
  }

  /** One logprob for every token but the first. */
  async logprobs(text: string): Promise<number[]> {
    await this.sequence.clearHistory();
    const tokens = this.model.tokenize(text, true);
    const input = tokens.map((token): [Token, object] => [token, { generateNext: { probabilities: true } }]);
    const output = await this.sequence.controlledEvaluate(input);
    return tokens.slice(1).map((token, index) => Math.log(output[index]!.next.probabilities!.get(token)!));
  }

  async dispose(): Promise<void> {
    await this.llama.dispose();
  }
}

describe('token logprobs of the local Vorpal', () => {
  let vorpal: RunningVorpal;
  let reference: FullVocabularyReference;
  const single: CompletionLogprobs[] = [];

  const post = (body: object, signal?: AbortSignal): Promise<Response> =>
    fetch(`${vorpal.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...(signal ? { signal } : {}),
    });
  const score = async (prompt: unknown): Promise<CompletionLogprobs[]> => {
    const response = await post({ prompt, echo: true, logprobs: 0, max_tokens: 0 });
    return completionResponseSchema.parse(await response.json()).choices.map(({ logprobs }) => logprobs!);
  };

  beforeAll(async () => {
    reference = await FullVocabularyReference.load();
    vorpal = await startLocalVorpal();
    for (const sentence of EVERYDAY_SENTENCES) single.push(...(await score(sentence)));
  }, 300_000);

  afterAll(async () => {
    await vorpal.stop();
    await reference.dispose();
  });

  it('agree with an independent computation over the whole vocabulary, on 50 sentences', async () => {
    let compared = 0;
    for (const [index, sentence] of EVERYDAY_SENTENCES.entries()) {
      const expected = await reference.logprobs(sentence);
      const [first, ...actual] = single[index]!.token_logprobs;
      expect(first).toBeNull();
      expect(actual).toHaveLength(expected.length);
      actual.forEach((logprob, position) => {
        expect(Math.abs(logprob! - expected[position]!)).toBeLessThanOrEqual(TOLERANCE_NATS);
        compared++;
      });
    }
    expect(EVERYDAY_SENTENCES).toHaveLength(50);
    expect(compared).toBeGreaterThan(400);
  }, 180_000);

  it('are the same numbers in batches of ten and as token ids', async () => {
    for (let start = 0; start < EVERYDAY_SENTENCES.length; start += 10) {
      const batch = EVERYDAY_SENTENCES.slice(start, start + 10);
      const expected = single.slice(start, start + 10);
      expect(await score(batch)).toEqual(expected);
      expect(await score(batch.map((sentence) => reference.tokenize(sentence)))).toEqual(expected);
    }
  }, 180_000);

  it('are the same numbers beside a running chat', async () => {
    const enough = new AbortController();
    const chat = await post(
      { prompt: 'Once upon a time', max_tokens: 2_000, temperature: 0, frequency_penalty: 0.5, stream: true },
      enough.signal,
    );
    await chat.body!.getReader().read();
    expect(await score(EVERYDAY_SENTENCES.slice(0, 10))).toEqual(single.slice(0, 10));
    enough.abort();
  }, 180_000);

  it('are the same numbers for long texts, alone and beside texts that end where a part of them ends', async () => {
    const tokens = reference.tokenize([...EVERYDAY_SENTENCES, ...EVERYDAY_SENTENCES.toReversed()].join(' '));
    const long = tokens.slice(0, 63 * 10 + 5);
    const [alone] = await score([long]);
    // The long text is evaluated in parts of 63; one row more or less beside it is where rounding could change.
    for (const lengths of [
      [61, 62],
      [63, 64],
      [63 * 6 + 62, 63 * 7 + 62],
    ]) {
      const mixed = await score([long, ...lengths.map((length) => tokens.slice(0, length))]);
      expect(mixed[0]).toEqual(alone);
      lengths.forEach((length, index) => {
        expect(mixed[index + 1]!.token_logprobs).toEqual(alone!.token_logprobs.slice(0, length));
      });
    }
  }, 300_000);
});
