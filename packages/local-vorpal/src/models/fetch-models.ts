import { readSettings } from '../settings.js';
import { createLogger, describeError, isAbortError } from '@archive-brain/common';
import { ModelStore } from './model-store.js';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop.abort();
  });
}

/** Fills the model cache, for images and machines that are offline later; prints where the models are. */
async function fetchModels(): Promise<void> {
  const settings = readSettings(process.env);
  const logger = createLogger(settings, 'Models');
  const store = new ModelStore({ settings: settings.models, logger });
  const language = await store.languageModel(settings.server.model, stop.signal);
  const embedding = await store.embeddingModel(settings.server.embeddingModel, stop.signal);
  logger.log(`Language model ${language.id}: ${language.path}`);
  logger.log(`Embedding model ${embedding.id} (${embedding.build}): ${embedding.directory}`);
}

try {
  await fetchModels();
} catch (error) {
  const text = isAbortError(error) ? 'Stopped. The next run goes on from here.' : describeError(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}
