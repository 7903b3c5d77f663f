import type { LoggerService } from '@nestjs/common';
import { readFileSync } from 'node:fs';
import type { Settings } from './settings.js';
import { VorpalServer } from './http/server.js';
import { ModelSlot } from './model-slot.js';
import { ModelStore } from './models/index.js';
import { ModelsInService } from './models-in-service.js';
import { VorpalMetrics } from './vorpal-metrics.js';

/** The engines may be in the middle of an evaluation or a file; the process ends without them after this. */
const DISPOSE_MS = 1_000;

/** The whole second program: its models, loaded in the background, behind an HTTP server. */
export class LocalVorpal {
  private readonly slots;
  private readonly server: VorpalServer;

  constructor(
    private readonly settings: Settings,
    private readonly logger: LoggerService,
  ) {
    this.slots = createSlots(settings, logger);
    const models = new ModelsInService(this.slots.language, this.slots.embedding);
    const metrics = new VorpalMetrics(() => {
      const model = models.languageModel;
      return model && { model: model.id, running: model.runningCount, waiting: model.waitingCount };
    });
    this.server = new VorpalServer({ settings: settings.server, logger, models, metrics, version: readVersion() });
  }

  /** Resolves with the server's address as soon as it listens; the models are still loading then. */
  async start(): Promise<string> {
    const url = await this.server.listen();
    this.slots.language?.start();
    this.slots.embedding.start();
    return url;
  }

  /** Lets requests in flight finish within the grace period, ends the rest, and disposes of the models. */
  async stop(): Promise<void> {
    await this.server.stop(this.settings.server.shutdownGraceMs);
    const disposed = Promise.all([this.slots.language?.stop(), this.slots.embedding.stop()]).then(() => true);
    const late = new Promise<false>((resolve) => setTimeout(resolve, DISPOSE_MS, false).unref());
    if (!(await Promise.race([disposed, late]))) this.logger.warn('The models are still busy; the program ends now.');
  }
}

/** The engines are imported when they are needed: they take most of a second, and `/health` should answer before. */
function createSlots({ server: settings, models }: Settings, logger: LoggerService) {
  const store = new ModelStore({ settings: models, logger });
  const activity = (): string | undefined => store.currentActivity();
  const language = new ModelSlot({
    name: 'the language model',
    logger,
    activity,
    load: async (signal, onFailure) => {
      const file = await store.languageModel(settings.model, signal);
      const { LlamaEngine } = await import('./engine/llama/llama-engine.js');
      return LlamaEngine.load({ ...file, settings, signal, onFailure });
    },
  });
  const embedding = new ModelSlot({
    name: 'the embedding model',
    logger,
    activity,
    load: async (signal) => {
      const files = await store.embeddingModel(settings.embeddingModel, signal);
      const { OnnxEmbedder } = await import('./engine/embedding/onnx-embedder.js');
      return OnnxEmbedder.load({ ...files, settings });
    },
  });
  return { language: settings.serves === 'all' ? language : undefined, embedding };
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return String((manifest as { version: unknown }).version);
}
