import { vorpalSettings } from '../vorpal/vorpal.settings.js';
import { memoryWorkerSettings } from './memory-worker.settings.js';

describe('The settings of the memory worker', () => {
  it('let it run unless told otherwise', () => {
    expect(memoryWorkerSettings({})).toMatchObject({ enabled: true, batchSize: 10, blockMs: 1_000 });
    expect(memoryWorkerSettings({ BRAIN_ROLE: 'api' }).enabled).toBe(false);
  });

  it.each(['false', 'off', '0', 'no'])('understand ASYNC_MEMORY=%s', (value) => {
    expect(memoryWorkerSettings({ ASYNC_MEMORY: value }).enabled).toBe(false);
  });

  it('keep the text of messages out of the logs of production unless told otherwise', () => {
    const production = { NODE_ENV: 'production' };
    expect(memoryWorkerSettings({}).logMessages).toBe(true);
    expect(memoryWorkerSettings({ WORKER_LOG_MESSAGES: 'false' }).logMessages).toBe(false);
    expect(memoryWorkerSettings(production).logMessages).toBe(false);
    expect(memoryWorkerSettings({ ...production, WORKER_LOG_MESSAGES: 'true' }).logMessages).toBe(true);
  });

  it.each([
    ['the embedded Vorpal one batch at a time', {}, 1, 2],
    ['another server as many as the worker finds good', { VORPAL_URL: 'http://gpu:8000' }, 64, 96],
    ['never more batches than scoring requests', { VORPAL_URL: 'http://gpu:8000', SCORING_CONCURRENCY: '4' }, 4, 4],
    ['what is asked for', { WORKER_MAX_BATCHES: '3', SCORING_CONCURRENCY: '8' }, 3, 8],
  ])('give %s', (_, environment, maxBatches, scoringConcurrency) => {
    expect(memoryWorkerSettings(environment)).toMatchObject({ maxBatches });
    expect(vorpalSettings(environment)).toMatchObject({ scoringConcurrency });
  });
});
