import { jest } from '@jest/globals';
import { ConsoleLogger } from '@nestjs/common';
import { LlamaContextSequence } from 'node-llama-cpp';
import { readSettings } from '../../../packages/local-vorpal/src/settings.js';
import { EngineFailedError, EngineLoadError } from '../../../packages/local-vorpal/src/errors.js';
import { ModelStore } from '../../../packages/local-vorpal/src/models/index.js';
import type { GenerationEvent, GenerationRequest } from '../../../packages/local-vorpal/src/engine/language-model.js';
import { LlamaEngine } from '../../../packages/local-vorpal/src/engine/llama/llama-engine.js';

const { server: settings, models } = readSettings({
  ...process.env,
  LOCAL_VORPAL_THREADS: '1',
  LOCAL_VORPAL_SEQUENCES: '2',
  LOCAL_VORPAL_CONTEXT_TOKENS: '512',
});
const never = new AbortController().signal;

describe(LlamaEngine.name, () => {
  let file: { id: string; path: string };
  let sut: LlamaEngine;
  const onFailure = jest.fn();

  const request = (prompt: string, more: Partial<GenerationRequest> = {}): GenerationRequest => ({
    prompt: sut.tokenize(prompt, true),
    maxTokens: 4,
    ignoreEos: false,
    scorePrompt: false,
    logprobs: null,
    sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, frequencyPenalty: 0, presencePenalty: 0, seed: 1 },
    ...more,
  });
  const run = async (what: GenerationRequest, signal = never): Promise<GenerationEvent[]> => {
    const events: GenerationEvent[] = [];
    await sut.generate(what, signal, async (event) => {
      events.push(event);
      return 'go on';
    });
    return events;
  };
  const textOf = (events: GenerationEvent[]): string =>
    sut.detokenize(
      events.flatMap((event) => (event.kind === 'token' ? [event.token] : [])),
      [],
    );

  beforeAll(async () => {
    const store = new ModelStore({ settings: models, logger: new ConsoleLogger({ logLevels: ['error'] }) });
    file = await store.languageModel(settings.model, never);
  }, 300_000);

  beforeEach(async () => {
    onFailure.mockClear();
    sut = await LlamaEngine.load({ ...file, settings, signal: never, onFailure });
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await sut.dispose();
  });

  it('says the same after a shared beginning as from a fresh start', async () => {
    const fresh = textOf(await run(request('The capital of France is')));
    await run(request('The capital of France was'));
    expect(textOf(await run(request('The capital of France is')))).toBe(fresh);
  });

  it('evaluates only what a sequence has not evaluated yet', async () => {
    await run(request('One two three four five six seven eight nine ten', { maxTokens: 1 }));
    const evaluate = jest.spyOn(LlamaContextSequence.prototype, 'controlledEvaluate');
    await run(request('One two three four five six seven eight nine ten eleven', { maxTokens: 1 }));
    expect(evaluate.mock.calls.map(([input]) => input.length)).toEqual([1]);
  });

  it('reports the same logprobs with a temperature as without: the raw ones', async () => {
    const greedy = request('The capital of France is', { logprobs: 0, maxTokens: 1 });
    const [event] = await run(greedy);
    const [warm] = await run({ ...greedy, sampling: { ...greedy.sampling, temperature: 0.01 } });
    expect(warm).toEqual(event);
  });

  it('ends between two evaluations when it is aborted', async () => {
    const gone = new AbortController();
    const events: GenerationEvent[] = [];
    const generation = sut.generate(request('Once', { maxTokens: 200 }), gone.signal, async (event) => {
      events.push(event);
      if (events.length === 3) gone.abort(new Error('gone'));
      return 'go on';
    });
    await expect(generation).rejects.toThrow('gone');
    expect(events).toHaveLength(3);
    expect(sut.runningCount).toBe(0);
  });

  it('is given up when native code fails, and says so once', async () => {
    jest.spyOn(LlamaContextSequence.prototype, 'controlledEvaluate').mockRejectedValueOnce(new Error('native failure'));
    const failures = [run(request('One')), run(request('Two'))];
    await expect(failures[0]).rejects.toThrow(EngineFailedError);
    await Promise.allSettled(failures);
    await expect(run(request('Three'))).rejects.toThrow(EngineFailedError);
    expect(onFailure).toHaveBeenCalledTimes(1);
    expect(sut.runningCount).toBe(0);
  });

  it('says what to do when the file cannot be loaded', async () => {
    const broken = LlamaEngine.load({
      id: 'broken',
      path: import.meta.filename,
      settings,
      signal: never,
      onFailure,
    });
    await expect(broken).rejects.toThrow(EngineLoadError);
    await expect(broken).rejects.toThrow(/LOCAL_VORPAL_MODEL/);
  });
});
