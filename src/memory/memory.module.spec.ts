import { Injectable, Logger, Module, type BeforeApplicationShutdown, type OnApplicationShutdown } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { jest } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { until } from '../../test/support/until.js';
import { ConfigModule } from '../config/index.js';
import { LifecycleModule } from '../infra/lifecycle/index.js';
import { Storage, StorageModule } from '../infra/storage/index.js';
import { ObservabilityModule } from '../observability/index.js';
import { CaptureService } from '../stream/index.js';
import { EmbeddingsEndpoint } from '../vorpal/vorpal-endpoint.js';
import { MemoryModule, MemoryStore, newMemory, RecallService } from './index.js';
import type { Decision } from './memory.js';

const VECTOR = [1, 0, 0];
const SHADOW_DECISION: Decision = {
  id: 'entry',
  userId: 'ada',
  sessionId: null,
  decidedAtMs: 1_000,
  model: null,
  perplexity: null,
  informationNats: null,
  contextual: false,
  plainPerplexity: null,
  novelty: 1,
  nearestId: null,
  surprise: 0.1,
  threshold: 0.7,
  mode: 'fixed',
  kept: false,
  reason: 'a test',
};
const SHADOWED = 'I moved to Lisbon in spring';

/** An embedder that ends with the brain, as the local Vorpal does; it keeps one text waiting. */
class EndingEmbedder extends EmbeddingsEndpoint implements OnApplicationShutdown {
  readonly held = Promise.withResolvers<undefined>();
  holds = false;
  private readonly server: Server;

  constructor(private readonly ends: string[]) {
    super();
    this.server = createServer((request, response) => {
      void (async () => {
        const { input } = (await json(request)) as { input: string[] };
        if (input.includes(SHADOWED)) {
          this.holds = true;
          await this.held.promise;
        }
        response.setHeader('content-type', 'application/json').end(
          JSON.stringify({
            object: 'list',
            model: 'small',
            data: input.map((_, index) => ({ object: 'embedding', index, embedding: encoded(VECTOR) })),
            usage: { prompt_tokens: 1, total_tokens: 1 },
          }),
        );
      })();
    });
  }

  async listen(): Promise<void> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
  }

  url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  onApplicationShutdown(): void {
    this.ends.push('embedder');
    this.server.close();
    this.server.closeAllConnections();
  }
}

const encoded = (vector: readonly number[]): string => Buffer.from(new Float32Array(vector).buffer).toString('base64');

/** Has the last requests, as the HTTP server has. */
@Injectable()
class LastRequests implements BeforeApplicationShutdown {
  readonly over = Promise.withResolvers<undefined>();

  beforeApplicationShutdown(): void {
    this.over.resolve(undefined);
  }
}

describe(MemoryModule.name, () => {
  let folder: string;

  beforeAll(() => {
    Logger.overrideLogger(false);
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'memory-module-'));
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await rm(folder, { recursive: true });
  });

  it('finishes a promotion under way before embedder, stream and store end, in this order', async () => {
    const ends: string[] = [];
    const embedder = new EndingEmbedder(ends);
    await embedder.listen();
    const environment = { BRAIN_DATA_DIR: folder, VORPAL_URL: embedder.url() };

    @Module({
      imports: [ConfigModule.forRoot(environment), LifecycleModule, ObservabilityModule, StorageModule, MemoryModule],
      providers: [LastRequests],
    })
    class BrainModule {}
    const sut = await Test.createTestingModule({ imports: [BrainModule] })
      .overrideProvider(EmbeddingsEndpoint)
      .useValue(embedder)
      .compile();
    await sut.init();
    const store = sut.get(MemoryStore);
    const memory = { memory: newMemory('ada', { text: SHADOWED }), vector: new Float32Array(VECTOR) };
    await store.claimSpace({ model: 'small', dimensions: VECTOR.length });
    await store.record({
      decision: SHADOW_DECISION,
      effect: { kind: 'shadow', memory, expiresAtMs: Date.now() + 3_600_000 },
      statistics: [],
    });
    const promote = store.promote.bind(store);
    jest.spyOn(store, 'promote').mockImplementation(async (...args) => {
      const promoted = await promote(...args);
      ends.push('promotion');
      return promoted;
    });
    const capture = sut.get(CaptureService);
    const drain = capture.drain.bind(capture);
    jest.spyOn(capture, 'drain').mockImplementation(async (...args) => {
      await drain(...args);
      ends.push('stream');
    });
    const storage = sut.get(Storage);
    const close = storage.close.bind(storage);
    jest.spyOn(storage, 'close').mockImplementation(async () => {
      ends.push('store');
      await close();
    });

    await sut.get(RecallService).recall('ada', 'Where do I live?');
    await until(() => embedder.holds, 'the promotion to wait for its vector');
    const closing = sut.close();
    await sut.get(LastRequests).over.promise;
    // The hooks that wait for nothing are over by then.
    for (let turn = 0; turn < 20; turn++) await endOfTurn();
    embedder.held.resolve(undefined);
    await closing;

    expect(ends[0]).toBe('promotion');
    expect(ends.toSorted()).toEqual(['embedder', 'promotion', 'store', 'stream']);
    expect(ends.at(-1)).toBe('store');
  });
});
