// The yardstick of `npm run bench -- scoring`: the library alone evaluates prompts, without logprobs and without HTTP.
// A child process that answers each IPC message `{ prompts: number[][] }` with `{ ms }`, and first says `{ ready }`.
import { getLlama, type LlamaContextSequence, LlamaLogLevel, type Token } from 'node-llama-cpp';
import { z } from 'zod';
import { readSettings } from '../../packages/local-vorpal/src/settings.js';
import { createLogger } from '../../src/observability/index.js';
import { ModelStore } from '../../packages/local-vorpal/src/models/index.js';

const requestSchema = z.object({ prompts: z.array(z.array(z.int().nonnegative()).min(1)) });

const settings = readSettings(process.env);
const store = new ModelStore({ settings: settings.models, logger: createLogger(settings, 'PlainPrefill') });
const { path } = await store.languageModel(settings.server.model, new AbortController().signal);
const { threads, sequences, contextTokens } = settings.server;
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({
  sequences,
  contextSize: Math.min(contextTokens, model.trainContextSize),
  threads,
  flashAttention: true,
});
const pool = Array.from({ length: sequences }, () => context.getSequence());

process.on('message', (message) => {
  const { prompts } = requestSchema.parse(message);
  void evaluateAll(prompts).then((ms) => process.send?.({ ms }));
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });

async function evaluateAll(prompts: readonly number[][]): Promise<number> {
  const waiting = prompts.values();
  const startedAt = performance.now();
  await Promise.all(pool.map((sequence) => evaluateFrom(waiting, sequence)));
  return performance.now() - startedAt;
}

async function evaluateFrom(prompts: Iterable<number[]>, sequence: LlamaContextSequence): Promise<void> {
  for (const prompt of prompts) {
    await sequence.clearHistory();
    await sequence.evaluateWithoutGeneratingNewTokens(prompt as Token[]);
  }
}
